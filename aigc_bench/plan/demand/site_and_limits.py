"""Convert site, finance, limits and data of a demand file to records, with the keys that factors add to the site.

Missing values come from the catalogue, with source.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import TYPE_CHECKING, TypeVar

from pydantic import create_model

from aigc_bench.core.derivation import Derivation, record
from aigc_bench.core.errors import UnknownNameError, UsageError
from aigc_bench.core.messages import message
from aigc_bench.core.records import Estimate
from aigc_bench.plan.demand.amounts import Amount, Range, Table, WrittenAmount, documented
from aigc_bench.plan.demand.schema import (
    WrittenColocation,
    WrittenConstraints,
    WrittenDataset,
    WrittenDemand,
    WrittenFinance,
    WrittenSite,
)
from aigc_bench.plan.demand.supply_schema import WrittenOwned
from aigc_bench.plan.hardware.datasheet import usual_counts
from aigc_bench.plan.placement.residency import RESIDENCIES, why_not_rented
from aigc_bench.plan.records.demand import Colocation, Constraints, Dataset, Finance, Site
from aigc_bench.plan.records.factor_keys import AmountKey, colocation_keys, demand_keys, site_keys
from aigc_bench.plan.records.owned import Owned
from aigc_bench.plan.stats.estimates import estimate, stated

if TYPE_CHECKING:
    from aigc_bench.catalog.loader import Catalogue


STATED = message("stated in the demand")


Key = TypeVar("Key", bound=AmountKey)
WrittenTable = TypeVar("WrittenTable", bound=Table)


# Built once: pydantic compiles the validators of a class whenever it is made.
@cache
def demand_table() -> type[WrittenDemand]:
    """Return the top of a demand file with the keys of every registered factor: its own, those of site and colocation."""
    site, colocation = _extended(WrittenSite, site_keys()), _extended(WrittenColocation, colocation_keys())
    top = _extended(WrittenDemand, demand_keys())
    described = {name: WrittenDemand.model_fields[name].description or "" for name in ("site", "colocation")}
    return create_model(
        "WrittenDemand",
        __base__=top,
        __doc__=WrittenDemand.__doc__,
        site=(site, documented(described["site"], default=site())),
        colocation=(colocation, documented(described["colocation"], default=colocation())),
    )


def _extended(table: type[WrittenTable], keys: Sequence[AmountKey]) -> type[WrittenTable]:
    """Return a table with more keys, each an amount; a key that is two numbers of a plan is one of the table."""
    fields = {key.name: (WrittenAmount | None, _field(key)) for key in keys}
    taken = sorted(fields.keys() & table.model_fields.keys())
    assert not taken, f"{table.__name__} has the keys {taken} of a factor already"
    # pydantic's create_model is typed by literal keywords, which names found at run time cannot be.
    return create_model(table.__name__, __base__=table, __doc__=table.__doc__, **fields)  # type: ignore[call-overload,no-any-return]


def _field(key: AmountKey) -> object:
    return documented(key.meaning, unit=key.unit, limits=Range(low=key.low, high=key.high, or_zero=key.is_zero_allowed))


def factor_amounts(
    keys: Sequence[Key], written: Table | None, *, by_default: Callable[[Key], Estimate | None]
) -> dict[str, Estimate]:
    """Return the amounts of factors' keys as stated, else by default; a key without either is left out."""
    found: dict[str, Estimate] = {}
    stated: dict[str, Estimate] = {}
    for key in keys:
        given = stated_amount(written, key.name)
        if given is not None:
            # One key may be two numbers of a plan: what is stated is the same number in both.
            stated.setdefault(key.name, given.estimate(key.stored_unit, source=STATED, factor=key.scale))
        value = stated[key.name] if given is not None else by_default(key)
        if value is not None:
            found[key.stored_as] = value
    return found


def stated_amount(written: Table | None, name: str) -> Amount | None:
    """Return the amount of a factor's key that a file states; ``None`` where it states none."""
    given = getattr(written, name, None)
    return given if isinstance(given, Amount) else None


def with_factor_keys(site: Site, *, catalogue: Catalogue, written: WrittenSite | None = None) -> Site:
    """Return a site with the keys of every factor: as written, else by default."""
    # A factor's default may depend on the site as stated, so these keys come after all others.
    found = factor_amounts(
        site_keys(), written, by_default=lambda key: key.default(catalogue, site) if key.default is not None else None
    )
    return site.model_copy(update={"of_factors": found})


def demand_amounts(written: WrittenDemand, *, catalogue: Catalogue) -> dict[str, Estimate]:
    """Return the amounts of the keys that factors add to the top of a demand file."""
    return factor_amounts(
        demand_keys(), written, by_default=lambda key: key.default(catalogue) if key.default is not None else None
    )


YEAR_S = 365.25 * 86400.0
# Ages with a row ``residual_fraction_*m`` in constants.csv.
RESIDUAL_MONTHS = (24, 36, 48)


def _stated(given: Amount | None, unit: str, *, factor: float = 1.0) -> Estimate | None:
    return given.estimate(unit, source=STATED, factor=factor) if given is not None else None


def in_usd(written: WrittenDemand, *, catalogue: Catalogue) -> WrittenDemand:
    """Return a demand with the amounts in the currency of ``[finance]`` in USD; raise ``UsageError`` for one given twice."""
    rate = catalogue.exchange_rate(written.finance.currency.upper()).value
    limits, site = written.constraints, written.site
    changes: dict[str, float] = {}
    for own, usd in (("budget", "budget_usd"), ("budget_per_year", "budget_usd_per_year")):
        given = getattr(limits, own)
        if given is None:
            continue
        if getattr(limits, usd) is not None:
            raise UsageError(message("give either {own} or {usd}", own=own, usd=usd))
        changes[usd] = given * rate
    tariff = site.electricity_per_kwh
    if tariff is not None and site.electricity_usd_per_kwh is not None:
        raise UsageError(message("give either {own} or {usd}", own="electricity_per_kwh", usd="electricity_usd_per_kwh"))
    in_dollars = tariff and Amount(**{end: getattr(tariff, end) * rate for end in ("value", "low", "high")})
    return written.model_copy(
        update={
            "constraints": limits.model_copy(update=changes),
            "site": site.model_copy(update={"electricity_usd_per_kwh": in_dollars}) if in_dollars else site,
        }
    )


def site_of(written: WrittenSite, *, catalogue: Catalogue) -> Site:
    """Return a site; raise ``UnknownNameError`` for an unknown region."""
    site = Site(
        region=written.region,
        electricity_usd_per_kwh=_stated(written.electricity_usd_per_kwh, "USD/kWh") or catalogue.electricity_price(written.region),
        demand_charge_usd_per_kw_month=_stated(written.demand_charge_usd_per_kw_month, "USD/kW-month"),
        grid_g_per_kwh=_stated(written.grid_g_per_kwh, "gCO2e/kWh") or catalogue.grid_intensity(written.region),
        pue=_stated(written.pue, "ratio") or catalogue.pue(written.cooling),
        num_racks=written.racks,
        rack_height_u=written.rack_units,
        cooling=written.cooling,
        floor_kg_per_m2=written.floor_kg_per_m2,
        redundancy=written.redundancy,
        has_server_room=written.server_room,
    )
    return with_factor_keys(site, catalogue=catalogue, written=written)


def colocation_of(written: WrittenColocation, *, catalogue: Catalogue) -> Colocation:
    """Return a colocation with the limits that factors declare."""
    found = factor_amounts(
        colocation_keys(),
        written,
        by_default=lambda key: key.default(catalogue, written.cooling) if key.default is not None else None,
    )
    return Colocation(cooling=written.cooling, num_racks=written.racks, rack_height_u=written.rack_units, of_factors=found)


def plant_left(life_years: float, *, catalogue: Catalogue) -> Estimate:
    """Return the share of racks, UPS and cooling plant that is not used up after the servers' life, at least 0."""
    lasts = catalogue.constant("plant_lifetime_years")
    ends = {end: max(0.0, 1 - life_years / getattr(lasts, end)) for end in ("low", "value", "high")}
    found = Estimate(**ends, unit="fraction", basis=lasts.basis, source=message("1 - life of the servers / life of the plant"))
    life = stated(life_years, "demand.finance.life_years", unit="years")
    return record(found, Derivation("max(0, 1 - {0} / {1})", (life, lasts)))


def finance_of(written: WrittenFinance, *, catalogue: Catalogue) -> Finance:
    """Return the finance; the resale value is that of the published age nearest to the life."""
    years, currency = written.life / YEAR_S, written.currency.upper()
    months = min(RESIDUAL_MONTHS, key=lambda known: abs(known - 12 * years))
    return Finance(
        currency=currency,
        usd_per_currency=catalogue.exchange_rate(currency) if currency != "USD" else None,
        vat=written.vat,
        discount_rate=_stated(written.discount_rate, "fraction") or catalogue.constant("discount_rate"),
        life_years=years,
        residual_share=_stated(written.residual_share, "fraction") or catalogue.constant(f"residual_fraction_{months}m"),
        plant_left_share=plant_left(years, catalogue=catalogue),
        space_usd_per_kw_month=_stated(written.space_usd_per_kw_month, "USD/kW-month")
        or catalogue.constant("colocation_usd_per_kw_month"),
        adders_share=_stated(written.adders_share, "fraction") or catalogue.constant("hidden_cost_fraction"),
        staff_usd_per_year=_stated(written.staff_usd_per_year, "usd/year"),
    )


def constraints_of(written: WrittenConstraints, *, catalogue: Catalogue) -> Constraints:
    """Return the constraints; accelerators in any spelling, vendors as the catalogue spells them."""
    # Vendors are compared without case and kept as the catalogue spells them.
    vendors = {spec.vendor.lower(): spec.vendor for spec in catalogue.accelerators.values() if spec.vendor}
    for name in written.vendors:
        if name.lower() not in vendors:
            raise UnknownNameError("vendor", name, known=vendors.values())
    kinds = (*written.without, *(("cloud", "api") if written.no_cloud else ()))
    return Constraints(
        budget_usd=written.budget_usd,
        budget_usd_per_year=written.budget_usd_per_year,
        vendors=tuple(vendors[name.lower()] for name in written.vendors),
        accelerators=tuple(catalogue.accelerator(name).id for name in written.accelerators),
        # no_cloud may repeat a kind that is listed already.
        without=tuple(dict.fromkeys(kinds)),
        providers=_providers(written.providers, catalogue=catalogue),
        regions=_regions(written.regions, catalogue=catalogue),
        data_residency=_residency(written.data_residency),
        exclude_export_controlled=written.exclude_export_controlled,
        confidence=written.confidence,
        risk=written.risk,
    )


def _providers(names: Sequence[str], *, catalogue: Catalogue) -> tuple[str, ...]:
    """Return providers as the catalogue spells them; raise ``UnknownNameError`` for one without a price."""
    every = [row.provider for row in catalogue.cloud_prices.values()] + [row.provider for row in catalogue.api_prices.values()]
    known = {provider.lower(): provider for provider in every}
    for name in names:
        if name.lower() not in known:
            raise UnknownNameError("provider", name, known=known.values())
    return tuple(known[name.lower()] for name in names)


def _regions(names: Sequence[str], *, catalogue: Catalogue) -> tuple[str, ...]:
    """Return regions; raise ``UnknownNameError`` for one in which nothing is rented."""
    regions = sorted({row.region for row in catalogue.cloud_prices.values() if row.region})
    for name in names:
        if all(why_not_rented(None, region, Constraints(regions=(name,))) is not None for region in regions):
            raise UnknownNameError(message("region of a rent"), name, known=[*regions, *RESIDENCIES])
    return tuple(names)


def _residency(name: str | None) -> str | None:
    if name is not None and name.upper() not in RESIDENCIES:
        raise UnknownNameError(message("data_residency"), name, known=RESIDENCIES)
    return name.upper() if name is not None else None


def owned_of(written: WrittenOwned, *, catalogue: Catalogue) -> Owned:
    """Return owned machines; raise ``UnknownNameError`` for unknown parts, ``UsageError`` for a count that fills no servers."""
    spec = catalogue.accelerator(written.accelerator)
    if written.server is not None and written.server not in catalogue.servers:
        raise UnknownNameError("server", written.server, known=catalogue.servers)
    row = catalogue.servers[written.server] if written.server is not None else None
    if row is not None and row.gpu_id != spec.id:
        raise UsageError(message("server = {server!r} does not hold {accelerator}", server=row.id, accelerator=spec.id))
    usual = [one.gpu_count for one in catalogue.servers_with(spec.id)] or list(usual_counts(spec))
    sizes = [row.gpu_count] if row is not None else [written.per_server] if written.per_server else sorted(usual, reverse=True)
    # Fewer than a usual server holds are taken as one server.
    size = next((one for one in sizes if written.count % one == 0), None)
    size = written.count if size is None and written.per_server is None and row is None and written.count < min(usual) else size
    if size is None:
        raise UsageError(
            message(
                "count = {count} does not fill servers of {sizes}; state per_server",
                count=written.count,
                sizes=" or ".join(map(str, sizes)),
            )
        )
    return Owned(
        accelerator=spec.id,
        num_accelerators=written.count,
        per_server=size,
        server=written.server,
        year=written.year,
        book_value_usd=written.book_value_usd,
    )


def dataset_of(written: WrittenDataset, *, catalogue: Catalogue) -> Dataset:
    """Return a data set by its profile or its size."""
    size = _stated(written.size_gb, "B", factor=1e9)
    if written.profile is not None:
        if written.profile not in catalogue.datasets:
            raise UnknownNameError(message("data profile"), written.profile, known=catalogue.datasets)
        row = catalogue.datasets[written.profile]
        size = estimate(row.total_bytes, unit="B", basis=row.basis, source=f"{row.source}, {row.as_of}")
    assert size is not None, "the written record holds a profile or a size"
    return Dataset(
        name=written.name, size_bytes=size, copies=_stated(written.copies, "count") or catalogue.constant("dataset_copies")
    )
