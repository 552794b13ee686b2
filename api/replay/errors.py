"""What only a dry run may answer instead.

RefusedRequest
├── CrossSite              403 cross_site
├── DryRunFailed           500 dry_run_failed
└── TooBusy
    └── DryRunUnderWay     503 too_busy
"""

from api.errors import RefusedRequest, TooBusy, shorten


class CrossSite(RefusedRequest):
    """A page of another site has made a browser ask, `site` as that browser calls it."""

    status, code = 403, "cross_site"

    def __init__(self, site: str) -> None:
        super().__init__(f"Sec-Fetch-Site is {shorten(site)}: a dry run starts from this server's page, or from none")
        self.site = site


class DryRunFailed(RefusedRequest):
    """The archive cannot be replayed, or not be set beside the live tables; `why` is the projector's sentence."""

    status, code = 500, "dry_run_failed"

    def __init__(self, why: str) -> None:
        super().__init__(why)


class DryRunUnderWay(TooBusy):
    """Another dry run is under way; try again after `retry_after_s` seconds."""

    retry_after_s = 30

    def __init__(self) -> None:
        RefusedRequest.__init__(self, "another dry run is under way, and one is made at a time; try again when it ends")
