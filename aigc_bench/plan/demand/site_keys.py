"""Add the keys of factors to the site of a demand file."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING

from pydantic import create_model

from aigc_bench.core.records import Estimate
from aigc_bench.plan.demand.amounts import Amount, Range, WrittenAmount, documented
from aigc_bench.plan.demand.schema import WrittenDemand, WrittenSite
from aigc_bench.plan.records.demand import Site
from aigc_bench.plan.records.site_key import SiteKey, site_keys

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue

STATED = "stated in the demand"


@cache
def demand_table() -> type[WrittenDemand]:
    """Return the top of a demand file, whose site has the keys of every registered factor, too."""
    fields = {key.name: (WrittenAmount | None, _field(key)) for key in site_keys().values()}
    # pydantic's create_model is typed by literal keywords, which names found at run time cannot be.
    site: type[WrittenSite] = create_model("WrittenSite", __base__=WrittenSite, __doc__=WrittenSite.__doc__, **fields)  # type: ignore[call-overload]
    return create_model(
        "WrittenDemand",
        __base__=WrittenDemand,
        __doc__=WrittenDemand.__doc__,
        site=(site, documented(WrittenDemand.model_fields["site"].description or "", default=site())),
    )


def with_factor_keys(site: Site, *, catalogue: Catalogue, stated: Mapping[str, Amount] | None = None) -> Site:
    """Return a site with the keys of every factor: as stated, else by default; a key without either is left out."""
    found: dict[str, Estimate] = {}
    for name, key in site_keys().items():
        given = (stated or {}).get(name)
        by_default = key.default(catalogue, site) if key.default is not None and given is None else None
        value = given.estimate(key.unit, source=STATED) if given is not None else by_default
        if value is not None:
            found[name] = value
    return site.model_copy(update={"of_factors": found})


def stated_keys(written: WrittenSite) -> dict[str, Amount]:
    """Return the factor keys that a file states, by name."""
    return {name: given for name in site_keys() if isinstance(given := getattr(written, name, None), Amount)}


def _field(key: SiteKey) -> object:
    return documented(key.meaning, unit=key.unit, limits=Range(low=key.low, high=key.high, or_zero=key.is_zero_allowed))
