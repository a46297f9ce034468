package org.mobilevitedge.app

import android.content.ContentProvider
import android.content.ContentValues
import android.content.Context
import android.content.Intent
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import java.io.File
import java.io.FileNotFoundException
import java.io.IOException
import org.mobilevitedge.core.BundleException

/** Latency reports on the storage that `adb` and other apps can read. */
class Reports(private val context: Context) {
    private val folder: File
        get() = context.getExternalFilesDir("reports") ?: throw BundleException("the shared storage is not there")

    /**
     * Write a report in one step: whoever finds the file finds it whole.
     *
     * @throws BundleException if the storage is full or missing.
     */
    fun write(name: String, text: String): File = put("$name.json", text)

    /** Say why there is no report of this name, for `adb`. */
    fun writeFailure(name: String, reason: String): File = put("$name.error.txt", reason)

    private fun put(name: String, text: String): File {
        val file = File(folder, name)
        val fresh = File(folder, "$name.new")
        try {
            fresh.writeText(text)
            if (!fresh.renameTo(file)) throw IOException("cannot rename it")
            return file
        } catch (error: IOException) {
            fresh.delete()
            throw BundleException("cannot write the report (is the storage full?): ${error.message}", error)
        }
    }

    companion object {
        /** What a report may be called. */
        val NAME = Regex("[A-Za-z0-9][A-Za-z0-9_-]{0,79}")

        /** Hand a report to an app of the user's choice. */
        fun share(report: File): Intent {
            val uri = Uri.parse("content://${ReportProvider.AUTHORITY}/${report.name}")
            return Intent.createChooser(
                Intent(Intent.ACTION_SEND).setType(ReportProvider.TYPE).putExtra(Intent.EXTRA_STREAM, uri)
                    .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION),
                null,
            )
        }
    }
}

/** Lets an app that the user has chosen read one report. */
class ReportProvider : ContentProvider() {
    override fun onCreate() = true

    override fun getType(uri: Uri) = TYPE

    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        if (mode != "r") throw FileNotFoundException("reports are read only")
        return ParcelFileDescriptor.open(report(uri), ParcelFileDescriptor.MODE_READ_ONLY)
    }

    override fun query(uri: Uri, columns: Array<String>?, where: String?, arguments: Array<String>?, order: String?): Cursor {
        val file = report(uri)
        return MatrixCursor(arrayOf(OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE)).apply { addRow(arrayOf<Any>(file.name, file.length())) }
    }

    override fun insert(uri: Uri, values: ContentValues?) = throw UnsupportedOperationException("reports are read only")

    override fun delete(uri: Uri, where: String?, arguments: Array<String>?) = throw UnsupportedOperationException("reports are read only")

    override fun update(uri: Uri, values: ContentValues?, where: String?, arguments: Array<String>?) =
        throw UnsupportedOperationException("reports are read only")

    private fun report(uri: Uri): File {
        val name = uri.lastPathSegment.orEmpty()
        val file = File(context?.getExternalFilesDir("reports"), name)
        if (!Reports.NAME.matches(name.removeSuffix(".json")) || !file.isFile) throw FileNotFoundException("no report of this name")
        return file
    }

    companion object {
        const val AUTHORITY = "org.mobilevitedge.app.reports"
        const val TYPE = "application/json"
    }
}
