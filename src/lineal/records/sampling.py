"""What a random sample without a finding says of the whole."""

from __future__ import annotations

CONFIDENCE = 0.95


def share_ruled_out(read: int, total: int) -> float:
    """The share of ``total`` things below which, with 95% confidence, the damaged ones are, if ``read`` of them were chosen at random and sound.

    Were a share *p* damaged, the chance to meet none among *n* would be at most (1 - *p*)ⁿ. 0 where everything was read, 1 where nothing was.

    >>> round(share_ruled_out(300, 10**9), 4), share_ruled_out(50, 50), share_ruled_out(0, 9)
    (0.0099, 0.0, 1.0)

    Source: Hanley and Lippman-Hand, "If nothing goes wrong, is everything all right?", JAMA 249 (1983): 3/n for 300 is 0.01.
    """
    if read >= total:
        return 0.0
    return 1.0 - (1.0 - CONFIDENCE) ** (1.0 / read) if read else 1.0
