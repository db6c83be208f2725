"""Models of many kinds whose conversion is right: no check may find a fault in them.

Each is small and seeded, and has the dynamic dimensions that its exporters can keep free. If an exporter or an
engine goes wrong on a similar model, the case avoids that model and says why.
"""

from tests.harness.good_conversions.control_flow import CONTROL_FLOW
from tests.harness.good_conversions.convolutions import CONVOLUTIONS
from tests.harness.good_conversions.interfaces import INTERFACES
from tests.harness.good_conversions.making import GoodConversion
from tests.harness.good_conversions.number_types import NUMBER_TYPES
from tests.harness.good_conversions.rounding import ROUNDING
from tests.harness.good_conversions.sequences import SEQUENCES
from tests.harness.good_conversions.sizes import SIZES

GOOD: tuple[GoodConversion, ...] = (
    *CONVOLUTIONS,
    *SEQUENCES,
    *INTERFACES,
    *NUMBER_TYPES,
    *CONTROL_FLOW,
    *SIZES,
    *ROUNDING,
)
