package org.mobilevitedge.core

import kotlin.math.abs
import kotlin.math.ceil
import kotlin.math.max
import kotlin.math.min

/**
 * Resizing with antialiasing, to the byte as `preprocess.py` does it with Pillow, which the
 * checkpoints' accuracy was measured with: weights in fixed point of 22 bits; columns, then rows, each
 * pass rounded to bytes; a long strip rows first, which bounds what lies between the passes.
 */
object Resampler {
    /** A side this many times longer than it need be makes an image that is not scaled as a whole. */
    internal const val LONG_STRIP = 64

    private const val BITS = 22
    private const val HALF = 1 shl (BITS - 1)

    /** Weights of the source pixels from [first] on, for one target pixel. */
    private class Window(val first: Int, val weights: IntArray)

    /**
     * The part of [image] from ([left], [top]) to ([right], [bottom]), in pixels, at a new size.
     */
    fun resize(
        image: Pixels,
        width: Int,
        height: Int,
        interpolation: Interpolation,
        left: Float = 0f,
        top: Float = 0f,
        right: Float = image.width.toFloat(),
        bottom: Float = image.height.toFloat(),
    ): Pixels {
        fun columnsOf(pixels: Pixels) =
            if (left == 0f && right == width.toFloat() && pixels.width == width) pixels
            else horizontal(pixels, windows(pixels.width, left, right, width, interpolation))

        fun rowsOf(pixels: Pixels) =
            if (top == 0f && bottom == height.toFloat() && pixels.height == height) pixels
            else vertical(pixels, windows(pixels.height, top, bottom, height, interpolation))

        val isStrip = image.height.toLong() > LONG_STRIP.toLong() * image.width
        return if (isStrip) columnsOf(rowsOf(image)) else rowsOf(columnsOf(image))
    }

    private fun horizontal(image: Pixels, columns: Array<Window>): Pixels {
        val result = ByteArray(columns.size * image.height * 3)
        for (y in 0 until image.height) for (x in columns.indices) {
            val from = (y * image.width + columns[x].first) * 3
            sum(image.rgb, from, 3, columns[x].weights, result, (y * columns.size + x) * 3)
        }
        return Pixels(columns.size, image.height, result)
    }

    private fun vertical(image: Pixels, rows: Array<Window>): Pixels {
        val stride = image.width * 3
        val result = ByteArray(stride * rows.size)
        for (y in rows.indices) for (x in 0 until image.width) {
            sum(image.rgb, rows[y].first * stride + x * 3, stride, rows[y].weights, result, y * stride + x * 3)
        }
        return Pixels(image.width, rows.size, result)
    }

    /** One pixel: the weighted sum of pixels [step] bytes apart. */
    private fun sum(source: ByteArray, from: Int, step: Int, weights: IntArray, target: ByteArray, at: Int) {
        for (channel in 0 until 3) {
            var total = HALF
            var index = from + channel
            for (weight in weights) {
                total += (source[index].toInt() and 0xff) * weight
                index += step
            }
            target[at + channel] = min(255, max(0, total shr BITS)).toByte()
        }
    }

    private fun windows(
        inSize: Int,
        start: Float,
        end: Float,
        outSize: Int,
        interpolation: Interpolation,
    ): Array<Window> {
        val scale = (end - start).toDouble() / outSize
        val filterScale = max(scale, 1.0)
        val support = support(interpolation) * filterScale
        // Multiplied by, not divided by: as Pillow, or the last bit of a weight differs.
        val shrink = 1 / filterScale
        return Array(outSize) { index ->
            val centre = start + (index + 0.5) * scale
            val first = max(0, (centre - support + 0.5).toInt())
            val last = min(inSize, (centre + support + 0.5).toInt())
            val weights = DoubleArray(last - first) { filter((it + first - centre + 0.5) * shrink, interpolation) }
            val total = weights.sum()
            Window(first, IntArray(weights.size) { fixed(if (total != 0.0) weights[it] / total else weights[it]) })
        }
    }

    private fun fixed(weight: Double): Int {
        val scaled = weight * (1 shl BITS)
        return (if (weight < 0) scaled - 0.5 else scaled + 0.5).toInt()
    }

    private fun support(interpolation: Interpolation) = when (interpolation) {
        Interpolation.BILINEAR -> 1.0
        Interpolation.BICUBIC -> 2.0
    }

    private fun filter(distance: Double, interpolation: Interpolation): Double {
        val x = abs(distance)
        return when (interpolation) {
            Interpolation.BILINEAR -> if (x < 1.0) 1.0 - x else 0.0
            Interpolation.BICUBIC -> cubic(x)
        }
    }

    /** Keys' cubic with a = -1/2. */
    private fun cubic(x: Double): Double {
        val a = -0.5
        return when {
            x < 1.0 -> ((a + 2.0) * x - (a + 3.0)) * x * x + 1
            x < 2.0 -> (((x - 5) * x + 8) * x - 4) * a
            else -> 0.0
        }
    }
}
