package org.mobilevitedge.app

import android.content.Context
import android.graphics.Bitmap
import android.graphics.BitmapFactory
import android.graphics.Matrix
import android.media.ExifInterface
import android.net.Uri
import java.io.File
import java.io.IOException
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.Pixels

/** A photo of any app as an upright bitmap of bounded size. */
class PhotoReader(private val context: Context) {
    /** @throws BundleException if it is no photo, or cannot be read. */
    fun read(uri: Uri): Bitmap {
        // Decoders and EXIF want a file, and a provider may give each reader another stream.
        val copy = File.createTempFile("photo", null, context.cacheDir)
        try {
            copy(uri, copy)
            return upright(decode(copy), orientation(copy))
        } catch (error: IOException) {
            throw BundleException("cannot read the photo: ${error.message}", error)
        } catch (error: SecurityException) {
            throw BundleException("the photo may not be read", error)
        } finally {
            copy.delete()
        }
    }

    private fun copy(uri: Uri, to: File) {
        val stream = context.contentResolver.openInputStream(uri) ?: throw IOException("it is gone")
        stream.use { input ->
            to.outputStream().use { output ->
                val buffer = ByteArray(BUFFER)
                var total = 0L
                while (true) {
                    val count = input.read(buffer)
                    if (count < 0) break
                    total += count
                    if (total > MAX_BYTES) throw BundleException("the photo is larger than ${MAX_BYTES shr 20} MB")
                    output.write(buffer, 0, count)
                }
            }
        }
    }

    private fun decode(file: File): Bitmap {
        val options = BitmapFactory.Options().apply { inJustDecodeBounds = true }
        BitmapFactory.decodeFile(file.path, options)
        if (options.outWidth <= 0 || options.outHeight <= 0) throw BundleException("this is no photo that Android can decode")
        options.inJustDecodeBounds = false
        options.inSampleSize = 1
        while (options.outWidth.toLong() * options.outHeight / (options.inSampleSize.toLong() * options.inSampleSize) > MAX_PIXELS) {
            options.inSampleSize *= 2
        }
        return BitmapFactory.decodeFile(file.path, options) ?: throw BundleException("the photo is damaged")
    }

    private fun orientation(file: File): Int =
        try {
            ExifInterface(file.path).getAttributeInt(ExifInterface.TAG_ORIENTATION, ExifInterface.ORIENTATION_NORMAL)
        } catch (error: IOException) {
            // PNG and others have none.
            ExifInterface.ORIENTATION_NORMAL
        }

    private fun upright(bitmap: Bitmap, orientation: Int): Bitmap {
        val matrix = Matrix()
        when (orientation) {
            ExifInterface.ORIENTATION_FLIP_HORIZONTAL -> matrix.postScale(-1f, 1f)
            ExifInterface.ORIENTATION_ROTATE_180 -> matrix.postRotate(180f)
            ExifInterface.ORIENTATION_FLIP_VERTICAL -> matrix.postScale(1f, -1f)
            ExifInterface.ORIENTATION_TRANSPOSE -> matrix.apply { postRotate(90f); postScale(-1f, 1f) }
            ExifInterface.ORIENTATION_ROTATE_90 -> matrix.postRotate(90f)
            ExifInterface.ORIENTATION_TRANSVERSE -> matrix.apply { postRotate(270f); postScale(-1f, 1f) }
            ExifInterface.ORIENTATION_ROTATE_270 -> matrix.postRotate(270f)
            else -> return bitmap
        }
        return Bitmap.createBitmap(bitmap, 0, 0, bitmap.width, bitmap.height, matrix, true)
    }

    companion object {
        private const val MAX_BYTES = 64L * 1024 * 1024
        private const val MAX_PIXELS = 16_000_000L
        private const val BUFFER = 1 shl 16

        /** The bitmap's colours; transparency is ignored, as in Python. */
        fun pixels(bitmap: Bitmap): Pixels {
            val argb = IntArray(bitmap.width * bitmap.height)
            bitmap.getPixels(argb, 0, bitmap.width, 0, 0, bitmap.width, bitmap.height)
            val rgb = ByteArray(argb.size * 3)
            for ((index, colour) in argb.withIndex()) {
                rgb[index * 3] = (colour shr 16).toByte()
                rgb[index * 3 + 1] = (colour shr 8).toByte()
                rgb[index * 3 + 2] = colour.toByte()
            }
            return Pixels(bitmap.width, bitmap.height, rgb)
        }
    }
}
