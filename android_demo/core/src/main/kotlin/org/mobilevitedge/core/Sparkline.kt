package org.mobilevitedge.core

/** Samples as a line of few points, each from 0, the fastest, to 1, the slowest. */
object Sparkline {
    /**
     * [samples] in their order, at most [points] of them: of neighbors that share a point the slowest
     * is shown, so that no outlier is lost.
     */
    fun points(samples: List<Long>, points: Int): List<Float> {
        require(points > 0) { "$points points" }
        if (samples.isEmpty()) return emptyList()
        val count = minOf(points, samples.size)
        val slowest = List(count) { point ->
            val (first, end) = Pair(point.toLong() * samples.size / count, (point + 1L) * samples.size / count)
            samples.subList(first.toInt(), end.toInt()).max()
        }
        val (low, high) = Pair(samples.min(), samples.max())
        return slowest.map { if (high == low) 0.5f else ((it - low).toDouble() / (high - low)).toFloat() }
    }
}
