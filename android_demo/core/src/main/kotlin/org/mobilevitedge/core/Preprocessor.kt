package org.mobilevitedge.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** From an upright image to a model's input, as the manifest says; the same as `preprocess.py`. */
class Preprocessor(private val model: Manifest.Model, private val input: Manifest.Input) {

    /** An image of any size at the model's own: [resize][Manifest.Resize], then the centre. */
    fun resize(image: Pixels): Pixels {
        val rule = input.resize
        if (!rule.crop) return Resampler.resize(image, model.width, model.height, rule.interpolation)
        val (width, height) = covering(image)
        val left = (width - model.width) / 2
        val top = (height - model.height) / 2
        if (maxOf(width, height) > Resampler.LONG_STRIP * maxOf(model.width, model.height)) {
            // Scale only the part that survives the crop.
            val kx = image.width.toDouble() / width
            val ky = image.height.toDouble() / height
            return Resampler.resize(
                image,
                model.width,
                model.height,
                rule.interpolation,
                left = (left * kx).toFloat(),
                top = (top * ky).toFloat(),
                right = ((left + model.width) * kx).toFloat(),
                bottom = ((top + model.height) * ky).toFloat(),
            )
        }
        val scaled = Resampler.resize(image, width, height, rule.interpolation)
        return scaled.crop(left, top, model.width, model.height)
    }

    /** What the image is scaled to: its proportions kept, covering [Manifest.Resize]'s size. */
    private fun covering(image: Pixels): Pair<Int, Int> {
        val rule = input.resize
        val wide = image.height.toLong() * rule.coverWidth >= image.width.toLong() * rule.coverHeight
        return if (wide) {
            val height = rule.coverWidth.toLong() * image.height / image.width
            Pair(rule.coverWidth, maxOf(height.toInt(), model.height))
        } else {
            val width = rule.coverHeight.toLong() * image.width / image.height
            Pair(maxOf(width.toInt(), model.width), rule.coverHeight)
        }
    }

    /**
     * An image of the model's size as its input tensor, in native byte order: uint8 `[1, H, W, 3]`, or
     * float32 `[1, 3, H, W]` with channels ordered, scaled and normalized.
     */
    fun tensor(image: Pixels): ByteBuffer {
        require(image.width == model.width && image.height == model.height) { "not of the model's size" }
        val count = image.rgb.size
        if (input.bytes) {
            val buffer = ByteBuffer.allocateDirect(count)
            buffer.put(image.rgb).rewind()
            return buffer
        }
        val buffer = ByteBuffer.allocateDirect(count * Float.SIZE_BYTES).order(ByteOrder.nativeOrder())
        val floats = buffer.asFloatBuffer()
        val divisor = (1 / input.scale).toFloat()
        for (plane in 0 until 3) {
            val channel = if (input.order == ChannelOrder.BGR) 2 - plane else plane
            val mean = input.mean[plane].toFloat()
            val std = input.std[plane].toFloat()
            for (pixel in 0 until count / 3) {
                // A division, as in Python: times the reciprocal is off by one in the last place.
                floats.put(((image.rgb[pixel * 3 + channel].toInt() and 0xff) / divisor - mean) / std)
            }
        }
        return buffer
    }
}
