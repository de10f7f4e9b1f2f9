"""The instruments that measure a reading's journey: sender, viewers, meter, and the contenders they are put to."""
