"""HTTP requests that this server makes itself, to addresses that strangers chose.

`fetcher.Fetcher` is the door. What it guards against: requests into the server's own network (also through
redirects, DNS answers that change, and odd spellings of addresses), answers without end, and slow ones.
"""
