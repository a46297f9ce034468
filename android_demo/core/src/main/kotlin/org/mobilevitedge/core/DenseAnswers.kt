package org.mobilevitedge.core

/** What a head's answer says of an image, as `dense_answers.py`: a mask of its proportions, or boxes in its pixels. */
class DenseAnswers(private val manifest: Manifest, private val labels: List<String>) {
    private val preprocessor = Preprocessor(manifest.model, manifest.input)

    /**
     * The mask of an image of [width] x [height], of its size or with [mostSide] as its longer side.
     *
     * @throws BundleException if [outputs] are no classes.
     */
    fun mask(head: Head.Masks, outputs: FloatArray, width: Int, height: Int, mostSide: Int): Mask {
        val scale = minOf(1.0, mostSide.toDouble() / maxOf(width, height))
        val (across, down) = Pair(scaled(width, scale), scaled(height, scale))
        val seen = preprocessor.seen(across, down)
        val left = Math.rint(seen.left).toInt().coerceIn(0, across)
        val top = Math.rint(seen.top).toInt().coerceIn(0, down)
        val right = maxOf(Math.rint(seen.right).toInt(), left + 1).coerceAtMost(across)
        val bottom = maxOf(Math.rint(seen.bottom).toInt(), top + 1).coerceAtMost(down)
        val part = labels(head, outputs, right - left, bottom - top)
        val all = IntArray(across * down) { Mask.NOT_SEEN }
        for (row in 0 until bottom - top) System.arraycopy(part, row * (right - left), all, (top + row) * across + left, right - left)
        return Mask(across, down, all)
    }

    private fun scaled(side: Int, scale: Double) = maxOf(1, Math.rint(side * scale).toInt())

    private fun labels(head: Head.Masks, outputs: FloatArray, width: Int, height: Int): IntArray {
        val classes = manifest.model.outputs
        val own = when (head.answer) {
            MaskAnswer.LOGITS -> return Masks.bestClasses(outputs, classes, head, width, height)
            MaskAnswer.FULL_LOGITS -> Masks.best(outputs, classes)
            MaskAnswer.LABELS -> IntArray(outputs.size) { label(outputs[it], classes) }
        }
        return Masks.nearest(own, head.width, head.height, width, height)
    }

    private fun label(value: Float, classes: Int): Int {
        val label = value.toInt()
        if (label.toFloat() != value || label !in 0 until classes) throw BundleException("the model's answer to this image holds $value, which is none of its $classes classes: export the bundle again")
        return label
    }

    /** The objects in an image of [width] x [height], the surest first. */
    fun boxes(head: Head.Boxes, outputs: FloatArray, width: Int, height: Int): List<DetectedBox> {
        val seen = preprocessor.seen(width, height)
        val stride = Boxes.VALUES + manifest.model.outputs
        return Boxes.detect(outputs, manifest.model.outputs, head.rules).map { found ->
            fun x(column: Int) = (outputs[found.row * stride + column] * (seen.right - seen.left) + seen.left).coerceIn(0.0, width.toDouble())
            fun y(column: Int) = (outputs[found.row * stride + column] * (seen.bottom - seen.top) + seen.top).coerceIn(0.0, height.toDouble())
            DetectedBox(found.label, labels[found.label], found.score.toDouble(), Area(x(0), y(1), x(2), y(3)))
        }
    }
}
