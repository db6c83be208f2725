"""A document's claims as data: what it says, where installed stacks depart from it, and its files."""

from onnxproof.claims.claim import ALL_EXPORTERS, Claim, Deviation, NotApplicable, read_claims

__all__ = ["ALL_EXPORTERS", "Claim", "Deviation", "NotApplicable", "read_claims"]
