package org.mobilevitedge.core

/** A part of an image or of a screen, in its pixels. */
data class Area(val left: Double, val top: Double, val right: Double, val bottom: Double) {
    /** Where this part of an image [imageWidth] wide lies if the image is shown in [place]. */
    fun shown(place: Area, imageWidth: Int): Area {
        val scale = (place.right - place.left) / imageWidth
        return Area(place.left + left * scale, place.top + top * scale, place.left + right * scale, place.top + bottom * scale)
    }

    /** The same part in a mirror that is [mirror] wide. */
    fun mirrored(mirror: Int): Area = Area(mirror - right, top, mirror - left, bottom)

    companion object {
        /** Where an image of [width] x [height] lies that is shown whole and undistorted in the middle of a larger place. */
        fun fitting(width: Int, height: Int, placeWidth: Int, placeHeight: Int): Area {
            val scale = minOf(placeWidth.toDouble() / width, placeHeight.toDouble() / height)
            val (across, down) = Pair(width * scale, height * scale)
            val (left, top) = Pair((placeWidth - across) / 2, (placeHeight - down) / 2)
            return Area(left, top, left + across, top + down)
        }
    }
}
