package org.mobilevitedge.app

import android.content.ContentProvider
import android.content.ContentValues
import android.database.Cursor
import android.net.Uri
import org.mobilevitedge.core.BenchFiles

/** A content provider of files alone: there are no rows to change. */
abstract class FileProvider : ContentProvider() {
    protected fun files() = BenchFiles(checkNotNull(context).filesDir)

    override fun onCreate() = true

    override fun getType(uri: Uri): String = TYPE

    override fun query(uri: Uri, columns: Array<String>?, where: String?, arguments: Array<String>?, order: String?): Cursor? = null

    override fun insert(uri: Uri, values: ContentValues?): Uri? = throw UnsupportedOperationException(REASON)

    override fun delete(uri: Uri, where: String?, arguments: Array<String>?): Int = throw UnsupportedOperationException(REASON)

    override fun update(uri: Uri, values: ContentValues?, where: String?, arguments: Array<String>?): Int = throw UnsupportedOperationException(REASON)

    protected companion object {
        const val TYPE = "application/json"
        private const val REASON = "there are files alone"
    }
}
