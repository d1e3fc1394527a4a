"""Which rents and APIs the demand allows: by provider, by region, and by where data may be kept.

Regions are free text of price lists: ``europe-west4``, ``us/eu``, ``FIN``. One that names several places offers each of them. One
that names none, or ``global``, is not known to lie anywhere, and a residency refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from aigc_bench.core.messages import message
from aigc_bench.plan.records.demand import Constraints

_EU = "AT BE BG HR CY CZ DK EE FI FR DE GR HU IE IT LV LT LU MT NL PL PT RO SK SI ES SE EU"
RESIDENCIES: Mapping[str, frozenset[str]] = {
    "EU": frozenset(_EU.split()),
    # The GDPR holds in Iceland, Liechtenstein and Norway, too.
    "EEA": frozenset(f"{_EU} IS LI NO".split()),
    "US": frozenset({"US"}),
    "CA": frozenset({"CA"}),
    "UK": frozenset({"GB"}),
    "CH": frozenset({"CH"}),
    "CN": frozenset({"CN"}),
    "JP": frozenset({"JP"}),
    "IN": frozenset({"IN"}),
}
"""Countries (ISO 3166) in which data may be kept; ``EU`` among them is a place that names the union only."""

# The longest prefix that fits counts: europe-west2 is London, other regions of Europe are in the union. Source: the providers' own
# lists of regions (AWS, Google Cloud, Azure, OCI, Nebius), 2026.
_COUNTRY_OF: Mapping[str, str] = {
    "europe-west2": "GB", "europe-west6": "CH", "europe-": "EU", "eu-west-2": "GB", "eu-central-2": "CH", "eu": "EU",
    "uksouth": "GB", "uk": "GB", "london": "GB", "paris": "FR", "fin": "FI", "helsinki": "FI", "stockholm": "SE",
    "sweden": "SE", "norway": "NO", "no": "NO", "is": "IS", "iceland": "IS", "france": "FR", "germany": "DE", "frankfurt": "DE",
    "amsterdam": "NL", "us": "US", "eastus": "US", "westus": "US", "centralus": "US", "northcentralus": "US",
    "southcentralus": "US", "newyork": "US", "houston": "US", "kansascity": "US", "dallas": "US", "raleigh": "US",
    "desmoines": "US", "culpeper": "US", "ca": "CA", "montreal": "CA", "calgary": "CA", "toronto": "CA", "cn": "CN",
    "asia-south1": "IN", "asia-northeast1": "JP",
}  # fmt: skip
# Vertex AI processes in the multi-region that is called (docs.cloud.google.com, generative AI, data residency), Bedrock within the
# geography of a cross-region profile (docs.aws.amazon.com, cross-region inference); both read 2026-12. Of others it is not known.
_WHERE_OF_APIS: Mapping[str, frozenset[str]] = {
    "mistral": frozenset({"FR"}), "ovhcloud": frozenset({"FR"}), "scaleway": frozenset({"FR"}), "deepseek": frozenset({"CN"}),
    "dashscope": frozenset({"CN"}), "minimax": frozenset({"CN"}), "vertex_ai": frozenset({"US", "EU"}),
    "bedrock": frozenset({"US", "EU"}),
}  # fmt: skip
"""Where the API of a provider runs, or runs if the caller says so (their own terms, 2026)."""


def countries_of(region: str | None) -> frozenset[str]:
    """Return the countries that a region names; empty where it names none."""
    parts = [part for part in re.split(r"[/,;\s]+", (region or "").lower()) if part]
    found = (max((name for name in _COUNTRY_OF if _begins(part, name)), key=len, default=None) for part in parts)
    return frozenset(_COUNTRY_OF[name] for name in found if name is not None)


def _begins(part: str, name: str) -> bool:
    # Two letters are a country's own code, or the first part of a region: "is" is no beginning of "israel".
    return part == name or part.startswith(name if name.endswith("-") or len(name) > 3 else f"{name}-")


def country_of_grid(row_id: str | None) -> str | None:
    """Return the ISO 3166 code of a grid's row, ``ci_DEU`` or one of a US state; ``None`` where it names no country."""
    if row_id is None:
        return None
    code = row_id.removeprefix("ci_")
    return _TWO_OF_THREE.get(code, "US" if row_id.startswith("ci_us") or "us_state" in row_id else None)


_TWO_OF_THREE: Mapping[str, str] = {
    "AUT": "AT", "BEL": "BE", "BGR": "BG", "HRV": "HR", "CYP": "CY", "CZE": "CZ", "DNK": "DK", "EST": "EE", "FIN": "FI",
    "FRA": "FR", "DEU": "DE", "GRC": "GR", "HUN": "HU", "IRL": "IE", "ITA": "IT", "LVA": "LV", "LTU": "LT", "LUX": "LU",
    "MLT": "MT", "NLD": "NL", "POL": "PL", "PRT": "PT", "ROU": "RO", "SVK": "SK", "SVN": "SI", "ESP": "ES", "SWE": "SE",
    "ISL": "IS", "NOR": "NO", "CHE": "CH", "GBR": "GB", "USA": "US", "CAN": "CA", "CHN": "CN", "JPN": "JP", "IND": "IN",
}  # fmt: skip


def why_not_rented(provider: str | None, region: str | None, limits: Constraints) -> str | None:
    """Return why the demand does not allow a rent; ``None`` where it does."""
    reason = why_not_provider(provider, limits)
    if reason is not None:
        return reason
    places = countries_of(region)
    if limits.regions and not _is_in(region, places, limits.regions):
        return message("constraints.regions allows {regions} only", regions=", ".join(limits.regions))
    return _why_not_kept(places, limits)


def why_not_called(provider: str, limits: Constraints) -> str | None:
    """Return why the demand does not allow a provider's API; ``None`` where it does."""
    return why_not_provider(provider, limits) or _why_not_kept(_WHERE_OF_APIS.get(provider, frozenset()), limits)


def why_not_provider(provider: str | None, limits: Constraints) -> str | None:
    """Return why a provider is not allowed; ``None`` where it is."""
    if not limits.providers or (provider or "").lower() in {name.lower() for name in limits.providers}:
        return None
    return message("constraints.providers allows {providers} only", providers=", ".join(limits.providers))


def why_not_at_site(country: str | None, limits: Constraints) -> str | None:
    """Return why data may not be kept at the demand's own site; ``None`` where it may, or where the site's country is not known."""
    return _why_not_kept(frozenset({country}), limits) if country is not None else None


def _why_not_kept(places: frozenset[str], limits: Constraints) -> str | None:
    if limits.data_residency is None:
        return None
    allowed = RESIDENCIES[limits.data_residency]
    if places & allowed:
        return None
    if not places:
        return message("constraints.data_residency: it states no region in {residency}", residency=limits.data_residency)
    return message(
        "constraints.data_residency: {places} is not in {residency}",
        places=", ".join(sorted(places)),
        residency=limits.data_residency,
    )


def _is_in(region: str | None, places: frozenset[str], wanted: tuple[str, ...]) -> bool:
    parts = re.split(r"[/,;\s]+", (region or "").lower())
    return any(
        any(part.startswith(name.lower()) for part in parts)
        or bool(places & RESIDENCIES.get(name.upper(), frozenset({name.upper()})))
        for name in wanted
    )
