package org.mobilevitedge.core

import java.nio.ByteBuffer
import java.nio.ByteOrder

/** From an upright image to a model's input, as the manifest says; the same as `preprocess.py`. */
class Preprocessor(private val model: Manifest.Model, private val input: Manifest.Input) {

    /** An image of any size at the model's own: [resize][Manifest.Resize], then the centre. */
    fun resize(image: Pixels): Pixels {
        val rule = input.resize
        if (!rule.crop) return Resampler.resize(image, model.width, model.height, rule.interpolation)
        val (width, height) = covering(image.width, image.height)
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

    /** What an image of [imageWidth] x [imageHeight] is scaled to: its proportions kept, covering [Manifest.Resize]'s size. */
    private fun covering(imageWidth: Int, imageHeight: Int): Pair<Int, Int> {
        val rule = input.resize
        val wide = imageHeight.toLong() * rule.coverWidth >= imageWidth.toLong() * rule.coverHeight
        return if (wide) {
            val height = rule.coverWidth.toLong() * imageHeight / imageWidth
            Pair(rule.coverWidth, maxOf(height.toInt(), model.height))
        } else {
            val width = rule.coverHeight.toLong() * imageWidth / imageHeight
            Pair(maxOf(width.toInt(), model.width), rule.coverHeight)
        }
    }

    /** The part of an image of [imageWidth] x [imageHeight] that the model sees. */
    fun seen(imageWidth: Int, imageHeight: Int): Area {
        if (!input.resize.crop) return Area(0.0, 0.0, imageWidth.toDouble(), imageHeight.toDouble())
        val (width, height) = covering(imageWidth, imageHeight)
        val (left, top) = Pair((width - model.width) / 2, (height - model.height) / 2)
        val (kx, ky) = Pair(imageWidth.toDouble() / width, imageHeight.toDouble() / height)
        return Area(left * kx, top * ky, (left + model.width) * kx, (top + model.height) * ky)
    }

    /**
     * An image of the model's size as its input tensor, in native byte order: uint8 `[1, H, W, C]`, or
     * float32 `[1, C, H, W]` or `[1, H, W, C]` scaled and normalized; channels are arranged.
     */
    fun tensor(image: Pixels): ByteBuffer {
        require(image.width == model.width && image.height == model.height) { "not of the model's size" }
        val pixels = image.width * image.height
        val channels = input.order.channels
        if (input.bytes) {
            val buffer = ByteBuffer.allocateDirect(pixels * channels)
            if (input.order == ChannelOrder.RGB) {
                buffer.put(image.rgb)
            } else {
                for (pixel in 0 until pixels) for (plane in 0 until channels) buffer.put(byte(image, pixel, plane).toByte())
            }
            buffer.rewind()
            return buffer
        }
        val buffer = ByteBuffer.allocateDirect(pixels * channels * Float.SIZE_BYTES).order(ByteOrder.nativeOrder())
        val floats = buffer.asFloatBuffer()
        val divisor = (1 / input.scale).toFloat()
        val pixelStride = if (input.channelsLast) channels else 1
        val planeStride = if (input.channelsLast) 1 else pixels
        for (plane in 0 until channels) {
            val mean = input.mean[plane].toFloat()
            val std = input.std[plane].toFloat()
            for (pixel in 0 until pixels) {
                // A division, as in Python: times the reciprocal is off by one in the last place.
                floats.put(pixel * pixelStride + plane * planeStride, (byte(image, pixel, plane) / divisor - mean) / std)
            }
        }
        return buffer
    }

    /** A channel of a pixel, 0 to 255; gray by ITU-R BT.601, rounded as Pillow rounds it. */
    private fun byte(image: Pixels, pixel: Int, plane: Int): Int {
        val at = pixel * 3
        return when (input.order) {
            ChannelOrder.RGB -> image.rgb[at + plane].toInt() and 0xff
            ChannelOrder.BGR -> image.rgb[at + 2 - plane].toInt() and 0xff
            ChannelOrder.RGBA -> if (plane == 3) 255 else image.rgb[at + plane].toInt() and 0xff
            ChannelOrder.GRAY -> {
                val red = (image.rgb[at].toInt() and 0xff) * 19595
                val green = (image.rgb[at + 1].toInt() and 0xff) * 38470
                val blue = (image.rgb[at + 2].toInt() and 0xff) * 7471
                (red + green + blue + 0x8000) shr 16
            }
        }
    }
}
