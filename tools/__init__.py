"""Development tools that are not part of the package: studies, app builds, generators."""
