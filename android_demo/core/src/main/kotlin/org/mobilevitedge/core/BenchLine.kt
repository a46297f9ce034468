package org.mobilevitedge.core

/**
 * A row of a report for people. Times in milliseconds, null where nothing was measured: [medianMs],
 * and the range from [lowMs] to [highMs] that eight of ten samples lie in. [notes]: why figures may
 * be wrong, or why there are none.
 */
data class BenchLine(
    val title: ModelTitle,
    val medianMs: Double?,
    val lowMs: Double?,
    val highMs: Double?,
    val samplesNs: List<Long>,
    val notes: List<String>,
) {
    companion object {
        private const val NS_PER_MS = 1e6

        fun of(row: LatencyRow): BenchLine {
            val samples = row.series.flatMap { it.samplesNs }
            val sorted = samples.sorted()
            fun at(part: Double): Double? = if (sorted.isEmpty()) null else quantile(sorted, part) / NS_PER_MS
            val notes = listOfNotNull(row.notRun) + row.series.flatMap { it.flags }.map(::words).distinct()
            return BenchLine(ModelTitle.of(row.bundle.manifest), at(0.5), at(0.1), at(0.9), samples, notes)
        }

        /** A flag as a sentence. */
        fun words(flag: Flag): String = when (flag.kind) {
            Flag.Kind.THROTTLED -> "The phone was hot and may have slowed down: ${flag.reason}."
            Flag.Kind.CLOCK_CHANGED -> "The processor's clock changed: ${flag.reason}."
            Flag.Kind.AFFINITY_NOT_IN_EFFECT -> "The system did not give the core that was asked for: ${flag.reason}."
            Flag.Kind.LOW_POWER -> "The phone was saving energy: ${flag.reason}."
            Flag.Kind.INTERRUPTED -> "The measurement was disturbed: ${flag.reason}."
        }

        /** Linear between neighbors, as NumPy's default. */
        private fun quantile(sorted: List<Long>, part: Double): Double {
            val place = part * (sorted.size - 1)
            val below = place.toInt()
            val above = minOf(below + 1, sorted.size - 1)
            return sorted[below] + (place - below) * (sorted[above] - sorted[below])
        }
    }
}
