"""Settings that cannot be simulated are refused, with the setting's name and what would be right."""

import pytest

from stream.errors import SimulateError
from stream.simulate.traffic import ShopTraffic


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        pytest.param({"junk_share": 1.5}, "junk_share: 1.5 is not a share", id="a-share-above-1"),
        pytest.param({"late_share": -0.1}, "late_share: -0.1 is not a share", id="a-share-below-0"),
        pytest.param({"junk_share": float("nan")}, "junk_share: nan is not a share", id="a-share-that-is-no-number"),
        pytest.param({"noise_share": 1.0}, "noise_share: 1.0 leaves too little", id="nothing-but-noise"),
        pytest.param({"offline_share": 0.6, "junk_share": 0.6}, "add up to 1.203", id="more-fates-than-records"),
        pytest.param({"events_per_second": 0}, "events_per_second: 0 must be above 0", id="no-traffic"),
        pytest.param({"drop_factor": 2}, "drop_factor: 2 must be", id="a-drop-that-is-a-rise"),
        pytest.param({"drop_step": "scroll"}, '"scroll" is no step .*add_to_cart', id="a-drop-of-no-step"),
        pytest.param({"drop_segment": ("device", "phone")}, r'no visitor has "device=phone" .*device=mobile\|desktop',
                     id="a-drop-for-nobody"),
        pytest.param({"drop_segment": ("age", "9")}, "no visitor has .*channel=search.*; country=",
                     id="a-drop-by-a-property-nobody-has"),
    ],
)  # fmt: skip
def test_refused(settings, complaint):
    with pytest.raises(SimulateError, match=complaint):
        ShopTraffic(**settings)
