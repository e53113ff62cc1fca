"""Pictures that a request names by URL: fetched on the event loop, before anything waits or is decoded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

from sdapi_compat import __version__
from sdapi_compat.errors import ApiError
from sdapi_compat.fetching.rules import Rules
from sdapi_compat.imaging.wire import NOTHING_FETCHED, is_url

if TYPE_CHECKING:
    from sdapi_compat.imaging.wire import Fetched
    from sdapi_compat.options.snapshot import Snapshot
    from sdapi_compat.services import Services

AGENT = f"sdapi_compat/{__version__}"
MOST_URLS = 64
SECONDS = 30.0


async def fetch_pictures(held: Services, texts: Iterable[object]) -> Fetched:
    """What stands behind the URLs among `texts`, for `wire.decode`.

    A1111 1.10.1 behaviour of the options api_enable_requests (off: nothing is fetched, and `wire.decode`
    refuses), api_forbid_local_requests and api_useragent; those of the server count, overrides do not.
    Raises ApiError for a URL that is refused or gives nothing.
    """
    urls = {text.strip() for text in texts if isinstance(text, str) and is_url(text.strip())}
    options = held.options.snapshot()
    if not urls or not options.flag("api_enable_requests"):
        return NOTHING_FETCHED
    if len(urls) > MOST_URLS:
        raise ApiError(413, f"One request may name at most {MOST_URLS} pictures by URL")
    return await held.fetcher.fetch_all(urls, picture_rules(options, held.settings.max_fetch_bytes))


def picture_rules(options: Snapshot, max_bytes: int) -> Rules:
    """What the server's options allow."""
    return Rules(
        local=not options.flag("api_forbid_local_requests"),
        max_bytes=max_bytes,
        seconds=SECONDS,
        user_agent=options.text("api_useragent") or AGENT,
    )
