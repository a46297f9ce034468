"""Development tools outside the wheel: studies, checks of the apps, generators."""
