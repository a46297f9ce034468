package org.mobilevitedge.core

/** A head for masks or boxes: what its answer is, and how that becomes a mask or boxes. */
sealed class Head {
    /** Red, green and blue of each class, as `0xRRGGBB`. */
    abstract val colors: List<Int>

    /**
     * A class for each pixel. [answer] has [height] rows of [width] places; one of logits is [stride] pixels of the
     * input wide.
     */
    data class Masks(
        val answer: MaskAnswer,
        val height: Int,
        val width: Int,
        val stride: Int,
        val resize: MaskResize,
        override val colors: List<Int>,
    ) : Head()

    /** [rows] boxes with probabilities of all classes, of which [rules] say what remains. */
    data class Boxes(val rows: Int, val rules: DetectionRules, override val colors: List<Int>) : Head()
}

/** Logits of all classes, of low resolution or of the input's, or the best class of each pixel. */
enum class MaskAnswer { LOGITS, FULL_LOGITS, LABELS }

/**
 * How logits become a mask of the photo's size: once, bilinearly, with corners or with the centers of pixels aligned;
 * or with centers to the size of the input, and from there to the nearest.
 */
enum class MaskResize { ALIGNED, HALF_PIXEL, HALF_PIXEL_NEAREST }

/**
 * Which boxes are detections: those of a probability above [score], of each class the [candidates] best, of which
 * none shares more than [overlap] with a better one; of all classes the [detections] best.
 */
data class DetectionRules(val score: Float, val candidates: Int, val overlap: Double, val detections: Int)
