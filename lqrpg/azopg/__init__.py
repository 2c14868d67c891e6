"""P1, asynchronous parallel policy gradient: schedules and their replay, two-point estimates, masters and workers."""
