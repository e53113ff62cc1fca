"""How the embedded checkpoint is made; run ``python -m sdapi_compat.embedded.train --help``."""
