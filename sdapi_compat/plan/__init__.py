"""From a request and an options snapshot to a Plan: all that can be known without a model."""
