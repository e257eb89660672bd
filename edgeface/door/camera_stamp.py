"""When was a frame taken? Not when it arrived: what a stalled network held back is old."""

from __future__ import annotations

DRIFT = 0.001  # a camera's clock may run so much slower than ours; quartz is ten times better
GAP_S = 30.0  # a stream's time that leaps further ahead of ours is a new stream's
CALM_S = 0.5  # so long the least delay must not fall ...
CALM_FALL_S = 0.02  # ... by more than this, until it is taken for the way's own
LONGEST_S = 5.0  # but no longer: there are cameras whose clock runs wrong
OURS_S = 10.0  # a first frame that is at most so old by our own clock was stamped with it


class Stamps:
    """Reckons the time of capture from the stream's own time.

    The least delay seen between the stream's time and ours is taken for the way's own; whatever a
    frame needed beyond that, it waited somewhere. A constant delay cannot be seen. What piled up
    while a stream was being opened comes in a rush, and the least delay falls with each frame:
    until it is calm, their age is not known. Not for several threads.

    Parameters
    ----------
    same_clock
        Whether the stream's time may be our own clock's, as that of V4L2 devices is; then nothing
        is reckoned.

    Attributes
    ----------
    settled
        Whether it is known. It stays so.
    """

    def __init__(self, *, same_clock: bool = False) -> None:
        self.settled = False
        self._same_clock: bool | None = None if same_clock else False  # None: to be seen
        self._started: float | None = None
        self._calm = (0.0, 0.0)  # since when, and the least delay then
        self._least: float | None = None  # delay, in seconds, up to a constant
        self._arrived = 0.0
        self._position = 0.0

    def captured(self, position: float | None, *, now: float) -> float:
        """Return when the frame that arrived `now` was taken, at most `now`.

        Parameters
        ----------
        position
            The frame's time in the stream, in seconds; None where the stream has none.
        now
            Seconds of the monotonic clock, never less than before.
        """
        if position is None:
            self._least, self.settled = None, True
            return now
        if self._same_clock is None:
            self._same_clock = 0 <= now - position <= OURS_S
        if self._same_clock:
            self.settled = True
            return min(now, position)
        delay = now - position
        if self._least is None or not self._continues(position, now):
            self._least = delay
        else:
            self._least = min(delay, self._least + DRIFT * (now - self._arrived))
        self._arrived, self._position = now, position
        self.settled = self.settled or self._settles(self._least, now)
        return position + self._least

    def _settles(self, least: float, now: float) -> bool:
        if self._started is None:
            self._started, self._calm = now, (now, least)
        if self._calm[1] - least > CALM_FALL_S:
            self._calm = (now, least)
        return now - self._calm[0] >= CALM_S or now - self._started >= LONGEST_S

    def _continues(self, position: float, now: float) -> bool:
        return 0 < position - self._position < now - self._arrived + GAP_S
