package org.mobilevitedge.core

/** What an app needs of a bundle's `manifest.json`; `bundle.v2.json` is the definition. */
data class Manifest(
    val model: Model,
    val target: String,
    val precision: String,
    val input: Input,
    val output: Output,
    val head: Head?,
    val labelCount: Int,
    val golden: Golden,
    val files: List<BundleFile>,
    /** Files with the model compiled for single chips, by the chips' names. */
    val contexts: Map<String, String> = emptyMap(),
) {
    /** [outputs]: of a classifier, the classes of a head. [height] and [width] are the image size in pixels. */
    data class Model(val name: String, val outputs: Int, val height: Int, val width: Int)

    /**
     * [bytes]: uint8 pixels as they are; otherwise float32, (pixel * [scale] - [mean]) / [std], with channels in
     * [order]. [channelsLast]: NHWC, as bytes always are; otherwise NCHW.
     */
    data class Input(
        val name: String,
        val bytes: Boolean,
        val channelsLast: Boolean,
        val batch: Int,
        val order: ChannelOrder,
        val scale: Double,
        val mean: List<Double>,
        val std: List<Double>,
        val resize: Resize,
    ) {
        /** Of the tensor that [Preprocessor.tensor] makes: one image. */
        fun shape(model: Model): LongArray {
            val (height, width) = Pair(model.height.toLong(), model.width.toLong())
            val channels = order.channels.toLong()
            return if (channelsLast) longArrayOf(1, height, width, channels) else longArrayOf(1, channels, height, width)
        }
    }

    /** [coverHeight] and [coverWidth]: what a cropped image is scaled to cover first. */
    data class Resize(
        val crop: Boolean,
        val interpolation: Interpolation,
        val coverHeight: Int,
        val coverWidth: Int,
    )

    /** [count]: numbers of one image's answer, whole ones if [isWhole]; [scores]: what those of a classifier are. */
    data class Output(val name: String, val count: Int, val isWhole: Boolean, val scores: Scores)

    /** A tiny RGB image of [rows] x [columns], and what it must give: the best classes, or some numbers of a head. */
    class Golden(
        val rows: Int,
        val columns: Int,
        val pixels: ByteArray,
        val expected: List<Expected>,
        val tolerance: Double,
    )

    data class Expected(val index: Int, val label: String, val value: Double)

    data class BundleFile(val path: String, val bytes: Long, val sha256: String)

    /** Of the model's file or files. */
    val modelBytes: Long
        get() = files.filter { it.path.startsWith(MODEL_PREFIX) }.sumOf { it.bytes }

    /** The model's file. */
    val modelFile: BundleFile
        get() = files.first { it.path.startsWith(MODEL_PREFIX) }

    companion object {
        const val FILE = "manifest.json"
        const val LABELS = "labels.txt"
        const val MODEL_PREFIX = "model."
        const val MAX_BYTES = 4L * 1024 * 1024
    }
}

/** Of an input, with the number of its channels. Photos have no alpha: theirs is 255. */
enum class ChannelOrder(val channels: Int) { RGB(3), BGR(3), GRAY(1), RGBA(4) }

enum class Interpolation { BILINEAR, BICUBIC }

/** What outputs are: probabilities, logits of one class of many, logits of each class by itself, or no classes. */
enum class Scores { PROBABILITIES, LOGITS, INDEPENDENT_LOGITS, FEATURES, OF_A_HEAD }
