CLASSIFIER = "classify"
