package org.mobilevitedge.core

import java.io.File
import java.io.IOException

/** Latency reports below [folder], which is this store's alone. */
class ReportStore(private val folder: File) {
    /**
     * Keep what was measured so far: it becomes a report of its own if the app ends before [finish].
     *
     * @throws BundleException if the storage is full.
     */
    fun keep(name: String, run: Run) {
        val cutShort = Flag(Flag.Kind.INTERRUPTED, "the app ended before the measurement did")
        put(File(folder, "$name$PARTIAL"), ReportWriter.write(run.copy(flags = run.flags + cutShort)))
    }

    /**
     * Write the whole report in one step: whoever finds the file finds it whole.
     *
     * @throws BundleException if the storage is full.
     */
    fun finish(name: String, run: Run): File {
        val file = put(File(folder, "$name$JSON"), ReportWriter.write(run))
        File(folder, "$name$PARTIAL").delete()
        return file
    }

    /** Nothing was measured under this name, or nobody wants it. */
    fun discard(name: String) {
        File(folder, "$name$PARTIAL").delete()
    }

    /** Reports of measurements that the app did not live to finish, made whole ones: newest first. */
    fun recover(): List<File> =
        folder.listFiles { file -> file.name.endsWith(PARTIAL) }.orEmpty().sortedByDescending { it.lastModified() }
            .map { partial -> File(folder, "${partial.name.removeSuffix(PARTIAL)}$JSON").also(partial::renameTo) }
            .filter { it.isFile }

    private fun put(file: File, text: String): File {
        val fresh = File(folder, "${file.name}.new")
        try {
            if (!folder.isDirectory && !folder.mkdirs()) throw IOException("there is no folder for it")
            fresh.writeText(text)
            if (!fresh.renameTo(file)) throw IOException("it cannot be renamed")
            return file
        } catch (error: IOException) {
            fresh.delete()
            throw BundleException("cannot write the report (is the storage full?): ${error.message}", error)
        }
    }

    companion object {
        /** What a report may be called. */
        val NAME = Regex("[A-Za-z0-9][A-Za-z0-9_-]{0,79}")
        const val JSON = ".json"
        private const val PARTIAL = ".partial.json"
    }
}
