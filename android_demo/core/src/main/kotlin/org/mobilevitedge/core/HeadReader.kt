package org.mobilevitedge.core

/** Reads `head` and the shape of its answer in `manifest.json`. */
internal object HeadReader {
    private const val MOST_PARTS = 16
    private const val MOST_COLORS = 100_000
    private const val MOST_ROWS = 1_000_000
    private const val LARGEST_STRIDE = 64
    private val UNIT = 0.0..1.0
    private val COUNTS = 1..100_000
    private val MASKS = mapOf("logits" to MaskAnswer.LOGITS, "full-logits" to MaskAnswer.FULL_LOGITS, "labels" to MaskAnswer.LABELS)
    private val RESIZES = mapOf("aligned" to MaskResize.ALIGNED, "half-pixel" to MaskResize.HALF_PIXEL, "half-pixel-nearest" to MaskResize.HALF_PIXEL_NEAREST)

    /** More candidates of a class than any network has would compare for minutes. */
    private const val MOST_CANDIDATES = 5_000

    /** @throws BundleException if [task] and the head do not fit, or this app has no use for the answer. */
    fun read(root: JsonReader, task: String, model: Manifest.Model): Head? {
        if (!root.has("head")) {
            if (task == "segmentation" || task == "detection") throw BundleException("manifest: $task without a head: export the bundle again")
            return null
        }
        val json = root.child("head")
        val name = json.oneOf("name", "deeplabv3", "pspnet", "ssdlite")
        if (task != (if (name == "ssdlite") "detection" else "segmentation")) {
            throw BundleException("manifest: the head $name is none for $task: export the bundle again")
        }
        val colors = json.rows("colors", MOST_COLORS, 3, 0..255).map { (red, green, blue) -> red shl 16 or (green shl 8) or blue }
        if (colors.size != model.outputs) throw BundleException("manifest: ${colors.size} colors for ${model.outputs} classes")
        val output = root.child("output")
        return if (name == "ssdlite") boxes(json, output, model, colors) else masks(json, output, model, colors)
    }

    private fun masks(json: JsonReader, output: JsonReader, model: Manifest.Model, colors: List<Int>): Head {
        val answer = MASKS.getValue(json.oneOf("answer", *MASKS.keys.toTypedArray()))
        val isLabels = answer == MaskAnswer.LABELS
        if (json.has("boxes")) throw BundleException("manifest: head/boxes of a head for masks: export the bundle again")
        output.oneOf("dtype", if (isLabels) "int32" else "float32")
        val shape = output.ints("shape", if (isLabels) 3 else 4, 1..MOST_ROWS)
        val classes = if (isLabels) model.outputs else shape[1]
        val (height, width) = shape.takeLast(2)
        val fits = answer == MaskAnswer.LOGITS || (height == model.height && width == model.width)
        if (height == null || width == null || classes != model.outputs || !fits) throw misfit()
        return Head.Masks(
            answer, height, width,
            stride = json.int("output_stride", 1..LARGEST_STRIDE),
            resize = RESIZES.getValue(json.oneOf("mask_resize", *RESIZES.keys.toTypedArray())),
            colors = colors,
        )
    }

    private fun boxes(json: JsonReader, output: JsonReader, model: Manifest.Model, colors: List<Int>): Head {
        val answer = json.oneOf("answer", "decoded", "raw", "nms")
        if (answer != "decoded") {
            val what = if (answer == "raw") "relative to anchors" else "suppressed already"
            throw BundleException("manifest: boxes that are $what (--boxes $answer): export the model with --boxes decoded")
        }
        if (json.has("output_stride") && json.has("mask_resize")) throw BundleException("manifest: a mask of a head for boxes: export the bundle again")
        val rules = json.child("boxes")
        val maps = rules.rows("maps", MOST_PARTS, 2, 1..ManifestReader.LARGEST_SIDE)
        val ratios = rules.rows("ratios", MOST_PARTS, null, 1..LARGEST_STRIDE)
        val rows = maps.zip(ratios).sumOf { (map, ratio) -> map[0].toLong() * map[1] * (2 + 2 * ratio.size) }
        output.oneOf("dtype", "float32")
        val shape = output.ints("shape", 3, 1..MOST_ROWS)
        if (maps.isEmpty() || maps.size != ratios.size || shape[1]?.toLong() != rows || shape[2] != Boxes.VALUES + model.outputs) throw misfit()
        val candidates = rules.int("candidates", COUNTS)
        if (candidates > MOST_CANDIDATES) {
            throw BundleException("manifest: head/boxes compares $candidates boxes of a class with each other, this app at most $MOST_CANDIDATES")
        }
        return Head.Boxes(
            rows.toInt(),
            DetectionRules(
                // NumPy compares single numbers in single precision.
                score = rules.number("score", UNIT).toFloat(),
                candidates = candidates,
                overlap = rules.number("overlap", UNIT),
                detections = rules.int("detections", COUNTS),
            ),
            colors,
        )
    }

    private fun misfit() = BundleException("manifest: output/shape does not fit the head: export the bundle again")
}
