package org.mobilevitedge.core

import java.io.File
import java.util.Locale

/** A bundle on the device whose files are the ones that its manifest lists. */
class Bundle(val folder: File, val manifest: Manifest, val labels: List<String>) {
    val model: File
        get() = File(folder, manifest.modelFile.path)

    /** The model as compiled for a [chip]; null if the bundle lacks it. Makers add a letter to a chip's name: SM8750P. */
    fun compiledFor(chip: String): File? =
        manifest.contexts.entries.firstOrNull { chip.lowercase(Locale.ROOT).startsWith(it.key) }?.let { File(folder, it.value) }
}
