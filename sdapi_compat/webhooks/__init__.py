"""Telling other servers what happens to a job, signed by the Standard Webhooks specification 1.0.0.

`sender.Sender` is the door. It knows neither jobs nor HTTP: it is given events, and a way to post.
"""
