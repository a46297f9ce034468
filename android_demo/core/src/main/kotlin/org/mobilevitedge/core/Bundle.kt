package org.mobilevitedge.core

import java.io.File

/** A bundle on the device whose files are the ones that its manifest lists. */
class Bundle(val folder: File, val manifest: Manifest, val labels: List<String>) {
    val model: File
        get() = File(folder, manifest.modelFile.path)
}
