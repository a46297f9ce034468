package org.mobilevitedge.core

import java.io.File
import java.io.FileNotFoundException

/** What a computer may hand to the app and fetch from it, below [root]: zips of bundles in, reports out. */
class BenchFiles(private val root: File) {
    val reports: File
        get() = File(root, REPORTS)

    /** The zip that was handed over as a bundle's, whether or not there is one. */
    fun incoming(bundle: String): File = File(File(root, INCOMING), "$bundle$ZIP")

    /**
     * Where a zip goes that is called `incoming/NAME.zip`.
     *
     * @throws FileNotFoundException for any other path: nothing else can be written.
     */
    fun toWrite(path: List<String>): File {
        val name = path.lastOrNull().orEmpty().removeSuffix(ZIP)
        if (path != listOf(INCOMING, "$name$ZIP") || !BundleStore.NAME.matches(name)) throw FileNotFoundException("only incoming/NAME.zip can be written")
        return incoming(name).also { it.parentFile?.mkdirs() }
    }

    /**
     * The report that is called `reports/NAME.json`.
     *
     * @throws FileNotFoundException for any other path, or if there is none.
     */
    fun toRead(path: List<String>): File {
        val name = path.lastOrNull().orEmpty().removeSuffix(ReportStore.JSON)
        val file = File(reports, "$name${ReportStore.JSON}")
        if (path != listOf(REPORTS, file.name) || !ReportStore.NAME.matches(name) || !file.isFile) {
            throw FileNotFoundException("there is no report of this name: reports/NAME.json")
        }
        return file
    }

    private companion object {
        const val INCOMING = "incoming"
        const val REPORTS = "reports"
        const val ZIP = ".zip"
    }
}
