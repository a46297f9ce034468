package org.mobilevitedge.core

import java.nio.ByteBuffer
import kotlin.math.abs
import kotlin.math.roundToInt
import kotlin.random.Random
import kotlin.test.Test
import kotlin.test.assertContentEquals
import kotlin.test.assertEquals
import kotlin.test.assertTrue

class YuvTest {
    private val random = Random(3)

    /** A plane of random bytes with gaps between values and rows, as cameras have them. */
    private fun plane(width: Int, height: Int, stride: Int): Yuv.Plane {
        val rowStride = width * stride + 5
        // The last row ends with its last value.
        val data = random.nextBytes((height - 1) * rowStride + (width - 1) * stride + 1)
        return Yuv.Plane(ByteBuffer.wrap(data), rowStride, stride)
    }

    @Test
    fun `colours are those of JFIF`() {
        val (width, height) = Pair(6, 4)
        val (y, u, v) = Triple(plane(width, height, 1), plane(width / 2, height / 2, 2), plane(width / 2, height / 2, 2))
        val image = Yuv(width, height, y, u, v).upright(0)
        for (row in 0 until height) for (column in 0 until width) {
            val luma = y.at(row, column)
            val blue = u.at(row / 2, column / 2) - 128
            val red = v.at(row / 2, column / 2) - 128
            val expected = listOf(luma + 1.402 * red, luma - 0.344136 * blue - 0.714136 * red, luma + 1.772 * blue)
            for (channel in 0 until 3) {
                val value = image.rgb[(row * width + column) * 3 + channel].toInt() and 0xff
                assertTrue(abs(expected[channel].roundToInt().coerceIn(0, 255) - value) <= 1)
            }
        }
    }

    @Test
    fun `a quarter turn clockwise brings the left column to the top`() {
        val (width, height) = Pair(6, 4)
        val frame = Yuv(width, height, plane(width, height, 1), plane(3, 2, 1), plane(3, 2, 1))
        val flat = frame.upright(0)
        val turned = frame.upright(90)
        assertEquals(Pair(4, 6), Pair(turned.width, turned.height))
        for (column in 0 until height) for (channel in 0 until 3) {
            assertEquals(flat.rgb[(height - 1 - column) * width * 3 + channel], turned.rgb[column * 3 + channel])
        }
    }

    @Test
    fun `turns add up`() {
        val (width, height) = Pair(6, 4)
        val frame = Yuv(width, height, plane(width, height, 1), plane(3, 2, 1), plane(3, 2, 1))
        assertContentEquals(frame.upright(270).rgb, frame.upright(-90).rgb)
        // Half a turn reverses the pixels.
        val pixels = frame.upright(0).rgb.toList().chunked(3)
        assertEquals(pixels.reversed().flatten(), frame.upright(180).rgb.toList())
        val quarter = frame.upright(90).rgb.toList().chunked(3)
        assertEquals(quarter.reversed().flatten(), frame.upright(270).rgb.toList())
    }
}
