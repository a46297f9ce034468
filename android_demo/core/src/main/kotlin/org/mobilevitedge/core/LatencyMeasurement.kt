package org.mobilevitedge.core

import java.nio.ByteBuffer
import kotlin.math.abs

/** [rounds] rounds of [warmUp] calls that do not count and [runs] that do, [coolDownSeconds] between rounds. */
data class BenchPlan(
    val warmUp: Int = 10,
    val runs: Int = 100,
    val rounds: Int = 3,
    val coolDownSeconds: Int = 10,
    val threads: Int = 1,
) {
    /** @throws BundleException if a number is out of range; plans come from `adb` too. */
    fun check() {
        fun within(name: String, value: Int, range: IntRange) {
            if (value !in range) throw BundleException("$name is $value; it must be ${range.first} to ${range.last}")
        }
        // The first call is the cold start: it never counts as a sample.
        within("warm-up", warmUp, 1..10_000)
        within("runs", runs, 1..100_000)
        within("rounds", rounds, 1..100)
        within("cool-down", coolDownSeconds, 0..600)
        within("threads", threads, 1..16)
    }
}

/** What a measurement needs of the device; tests play one. */
interface BenchDevice {
    fun nanoTime(): Long

    /** UTC, such as `2026-01-31T12:00:00Z`. */
    fun utc(): String

    fun state(): DeviceState

    /** Cores that this thread may use, or null if the system does not tell. */
    fun affinity(): List<Int>?

    /** How often the system has taken the core from this thread. */
    fun involuntarySwitches(): Long?

    fun sleep(milliseconds: Long)
}

/** Measures one model on the thread that calls it. */
class LatencyMeasurement(private val device: BenchDevice, private val plan: BenchPlan) {
    data class Result(val coldStart: ColdStart, val series: List<Series>)

    /**
     * Every round of the plan, each with a freshly [load]ed model.
     *
     * [progress] hears the number of rounds that have ended, and ends the measurement by answering
     * false; what was measured until then stays.
     */
    fun run(input: ByteBuffer, load: () -> Classifier, progress: (Int) -> Boolean): Result {
        var coldStart: ColdStart? = null
        val series = mutableListOf<Series>()
        for (round in 0 until plan.rounds) {
            if (round > 0) device.sleep(plan.coolDownSeconds * 1000L)
            val start = device.nanoTime()
            load().use { classifier ->
                val loadNs = elapsed(start)
                val measured = round(classifier, input)
                if (coldStart == null) coldStart = ColdStart(loadNs, measured.warmUpNs.first())
                series += measured
            }
            if (!progress(round + 1)) break
        }
        return Result(checkNotNull(coldStart), series)
    }

    private fun round(classifier: Classifier, input: ByteBuffer): Series {
        val started = device.utc()
        val before = device.state()
        val warmUp = List(plan.warmUp) { time(classifier, input) }
        val switches = device.involuntarySwitches()
        val samples = List(plan.runs) { time(classifier, input) }
        val switchesAfter = device.involuntarySwitches()
        val after = device.state()
        return Series(
            started = started,
            warmUpNs = warmUp,
            samplesNs = samples,
            affinity = device.affinity(),
            involuntarySwitches = if (switches == null || switchesAfter == null) null else switchesAfter - switches,
            before = before,
            after = after,
            flags = doubts(before, after),
        )
    }

    private fun time(classifier: Classifier, input: ByteBuffer): Long {
        input.rewind()
        val start = device.nanoTime()
        classifier.run(input)
        return elapsed(start)
    }

    // A clock too coarse for the model would give zero, which no report may hold.
    private fun elapsed(start: Long): Long = maxOf(1, device.nanoTime() - start)

    companion object {
        /** Above it a change of the clock is no jitter of its reading. */
        const val CLOCK_CHANGE = 0.1

        /** Why the figures between two states may be wrong. */
        fun doubts(before: DeviceState, after: DeviceState): List<Flag> {
            val flags = mutableListOf<Flag>()
            val hottest = listOfNotNull(before.thermal, after.thermal).maxOrNull()
            if (hottest != null && hottest >= Thermal.MODERATE) {
                val path = listOf(before, after).joinToString(" -> ") { it.thermal?.name?.lowercase() ?: "unknown" }
                flags += Flag(Flag.Kind.THROTTLED, "thermal status $path")
            }
            val (first, last) = Pair(before.clockMhz, after.clockMhz)
            if (first != null && last != null && abs(last / first - 1) > CLOCK_CHANGE) {
                flags += Flag(Flag.Kind.CLOCK_CHANGED, "${first.toLong()} MHz before, ${last.toLong()} MHz after")
            }
            if (before.lowPower == true || after.lowPower == true) {
                flags += Flag(Flag.Kind.LOW_POWER, "battery saver is on")
            }
            return flags
        }
    }
}
