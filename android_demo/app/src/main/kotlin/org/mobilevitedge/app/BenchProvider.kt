package org.mobilevitedge.app

import android.net.Uri
import android.os.ParcelFileDescriptor

/**
 * Hands bundles in and reports out for `adb`, whose shell alone has the permission that the manifest
 * asks for:
 *
 *     content write --uri content://org.mobilevitedge.app.bench/incoming/NAME.zip < FILE
 *     content read --uri content://org.mobilevitedge.app.bench/reports/NAME.json
 *     content delete --uri content://org.mobilevitedge.app.bench/reports/NAME.json
 */
class BenchProvider : FileProvider() {
    override fun openFile(uri: Uri, mode: String): ParcelFileDescriptor {
        val file = if (mode == "r") files().toRead(uri.pathSegments) else files().toWrite(uri.pathSegments)
        return ParcelFileDescriptor.open(file, ParcelFileDescriptor.parseMode(if (mode == "r") "r" else "wt"))
    }

    override fun delete(uri: Uri, where: String?, arguments: Array<String>?): Int = if (files().toRead(uri.pathSegments).delete()) 1 else 0
}
