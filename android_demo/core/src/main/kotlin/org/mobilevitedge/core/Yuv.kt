package org.mobilevitedge.core

import java.nio.ByteBuffer

/** A camera's frame, `YUV_420_888`: full-range BT.601, as JPEG has it. */
class Yuv(private val width: Int, private val height: Int, private val y: Plane, private val u: Plane, private val v: Plane) {
    /** A value every [pixelStride] bytes, a row every [rowStride]. */
    class Plane(val data: ByteBuffer, val rowStride: Int, val pixelStride: Int) {
        fun at(row: Int, column: Int): Int = data.get(row * rowStride + column * pixelStride).toInt() and 0xff
    }

    /**
     * The image turned clockwise by [degrees], a multiple of 90.
     *
     * The frame's buffers are not read after this returns.
     */
    fun upright(degrees: Int): Pixels {
        require(degrees % 90 == 0) { "turned by $degrees" }
        val turns = (degrees / 90).mod(4)
        val newWidth = if (turns % 2 == 0) width else height
        val rgb = ByteArray(width * height * 3)
        for (row in 0 until height) {
            for (column in 0 until width) {
                val to = 3 * when (turns) {
                    0 -> row * newWidth + column
                    1 -> column * newWidth + height - 1 - row
                    2 -> (height - 1 - row) * newWidth + width - 1 - column
                    else -> (width - 1 - column) * newWidth + row
                }
                val luma = y.at(row, column) shl SHIFT
                val blue = u.at(row / 2, column / 2) - NEUTRAL
                val red = v.at(row / 2, column / 2) - NEUTRAL
                rgb[to] = clamp(luma + RED_OF_V * red)
                rgb[to + 1] = clamp(luma - GREEN_OF_U * blue - GREEN_OF_V * red)
                rgb[to + 2] = clamp(luma + BLUE_OF_U * blue)
            }
        }
        return Pixels(newWidth, if (turns % 2 == 0) height else width, rgb)
    }

    private fun clamp(value: Int): Byte = ((value + HALF) shr SHIFT).coerceIn(0, 255).toByte()

    private companion object {
        const val SHIFT = 16
        const val HALF = 1 shl (SHIFT - 1)
        const val NEUTRAL = 128

        // 1.402, 0.344136, 0.714136 and 1.772 of JFIF, times 2^16.
        const val RED_OF_V = 91_881
        const val GREEN_OF_U = 22_554
        const val GREEN_OF_V = 46_802
        const val BLUE_OF_U = 116_130
    }
}
