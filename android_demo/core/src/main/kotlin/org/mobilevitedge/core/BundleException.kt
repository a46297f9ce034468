package org.mobilevitedge.core

/** A bundle, an image or a report that cannot be used; the message says why, and what to do. */
class BundleException(message: String, cause: Throwable? = null) : Exception(message, cause)
