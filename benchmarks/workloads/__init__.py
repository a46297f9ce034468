"""What can be measured: bundles, models, parts, attention, lower bounds."""
