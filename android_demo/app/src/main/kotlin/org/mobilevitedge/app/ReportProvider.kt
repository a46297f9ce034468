package org.mobilevitedge.app

import android.content.Intent
import android.database.Cursor
import android.database.MatrixCursor
import android.net.Uri
import android.os.ParcelFileDescriptor
import android.provider.OpenableColumns
import java.io.File
import java.io.FileNotFoundException

/** Lets an app that the user has chosen read one report. */
class ReportProvider : FileProvider() {
    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        if (mode != "r") throw FileNotFoundException("reports are read only")
        return ParcelFileDescriptor.open(files().toRead(uri.pathSegments), ParcelFileDescriptor.MODE_READ_ONLY)
    }

    override fun query(uri: Uri, columns: Array<String>?, where: String?, arguments: Array<String>?, order: String?): Cursor {
        val file = files().toRead(uri.pathSegments)
        return MatrixCursor(arrayOf(OpenableColumns.DISPLAY_NAME, OpenableColumns.SIZE)).apply { addRow(arrayOf<Any>(file.name, file.length())) }
    }

    companion object {
        private const val AUTHORITY = "org.mobilevitedge.app.reports"

        /** Hand a report to an app of the user's choice. */
        fun share(report: File): Intent {
            val uri = Uri.parse("content://$AUTHORITY/reports/${report.name}")
            return Intent.createChooser(
                Intent(Intent.ACTION_SEND).setType(TYPE).putExtra(Intent.EXTRA_STREAM, uri)
                    .addFlags(Intent.FLAG_GRANT_READ_URI_PERMISSION),
                null,
            )
        }
    }
}
