"""Making bundles: the steps of an export, the manifest, handing bundles to the apps."""
