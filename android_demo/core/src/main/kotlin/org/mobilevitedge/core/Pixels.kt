package org.mobilevitedge.core

/** An upright RGB image: [rgb] holds [height] rows of [width] pixels of three bytes. */
class Pixels(val width: Int, val height: Int, val rgb: ByteArray) {
    init {
        require(width > 0 && height > 0 && rgb.size == width * height * 3) { "an image of $width x $height" }
    }

    /** A part of the image. */
    fun crop(left: Int, top: Int, newWidth: Int, newHeight: Int): Pixels {
        require(left >= 0 && top >= 0 && left + newWidth <= width && top + newHeight <= height) { "crop outside" }
        val cut = ByteArray(newWidth * newHeight * 3)
        for (row in 0 until newHeight) {
            System.arraycopy(rgb, ((top + row) * width + left) * 3, cut, row * newWidth * 3, newWidth * 3)
        }
        return Pixels(newWidth, newHeight, cut)
    }

    /** The image enlarged by repeating pixels. */
    fun enlarge(newWidth: Int, newHeight: Int): Pixels {
        val large = ByteArray(newWidth * newHeight * 3)
        for (y in 0 until newHeight) for (x in 0 until newWidth) {
            val from = ((y * height / newHeight) * width + x * width / newWidth) * 3
            System.arraycopy(rgb, from, large, (y * newWidth + x) * 3, 3)
        }
        return Pixels(newWidth, newHeight, large)
    }
}
