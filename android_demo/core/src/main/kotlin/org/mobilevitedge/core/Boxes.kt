package org.mobilevitedge.core

/** An object in an image: corners in pixels of the image, clipped to it. */
data class DetectedBox(val index: Int, val label: String, val probability: Double, val area: Area)

/** The detections among many boxes, as `boxes.py` finds them. */
object Boxes {
    /** Corners x1, y1, x2, y2 before the probabilities of a row. */
    const val VALUES = 4
    private const val BACKGROUND = 0

    /** [row] of the answer, as an object of class [label]. */
    class Found(val row: Int, val label: Int, val score: Float)

    /** What remains of [outputs], `[rows, 4 + classes]`: the most probable first. */
    fun detect(outputs: FloatArray, classes: Int, rules: DetectionRules): List<Found> {
        val stride = VALUES + classes
        val rows = outputs.size / stride
        val found = mutableListOf<Found>()
        for (label in BACKGROUND + 1 until classes) {
            val own = (0 until rows).map { Found(it, label, outputs[it * stride + VALUES + label]) }.filter { it.score > rules.score }
            found += apart(outputs, stride, own.sortedByDescending { it.score }.take(rules.candidates), rules.overlap)
        }
        return found.sortedByDescending { it.score }.take(rules.detections)
    }

    /** Those of [candidates], best first, that share no more than [overlap] of their union with a better one that stays. */
    private fun apart(outputs: FloatArray, stride: Int, candidates: List<Found>, overlap: Double): List<Found> {
        val corners = candidates.map { found -> DoubleArray(VALUES) { outputs[found.row * stride + it].toDouble() } }
        val kept = mutableListOf<Int>()
        for (index in candidates.indices) if (kept.none { overlap(corners[it], corners[index]) > overlap }) kept += index
        return kept.map(candidates::get)
    }

    /** Intersection over union; a pair without area has none. */
    private fun overlap(first: DoubleArray, second: DoubleArray): Double {
        val width = minOf(first[2], second[2]) - maxOf(first[0], second[0])
        val height = minOf(first[3], second[3]) - maxOf(first[1], second[1])
        val shared = maxOf(width, 0.0) * maxOf(height, 0.0)
        val union = area(first) + area(second) - shared
        return if (union > 0) shared / union else 0.0
    }

    private fun area(box: DoubleArray) = (box[2] - box[0]) * (box[3] - box[1])
}
