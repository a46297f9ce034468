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
        within("runs", runs, RUNS)
        within("rounds", rounds, 1..100)
        within("cool-down", coolDownSeconds, 0..600)
        within("threads", threads, 1..16)
    }

    companion object {
        val RUNS = 1..100_000
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

    /** What has disturbed the app since this was asked last, or still does, in words. */
    fun interruptions(): List<String>
}

/** Hears how a measurement goes, on the thread that measures. */
interface BenchObserver {
    /** A round of a bundle begins, the first with number 1. */
    fun begins(bundle: Bundle, round: Int)

    /** A sample, between two calls of the model: it must return at once. */
    fun sampled(ns: Long)

    /** All that was measured so far, after each bundle. */
    fun measured(run: Run)

    /** Why to end now, in words; null to go on. What was measured until then stays. */
    fun stopReason(): String?
}

/** Measures one model on the thread that calls it. */
class LatencyMeasurement(private val device: BenchDevice, private val plan: BenchPlan, private val observer: BenchObserver) {
    data class Result(val coldStart: ColdStart, val series: List<Series>)

    /**
     * Every round of the plan, each with a freshly [load]ed model.
     *
     * @throws BundleException if it was stopped before there was a sample.
     */
    fun run(bundle: Bundle, input: ByteBuffer, load: () -> Classifier): Result {
        var coldStart: ColdStart? = null
        val series = mutableListOf<Series>()
        for (round in 0 until plan.rounds) {
            if (round > 0) device.sleep(plan.coolDownSeconds * 1000L)
            if (observer.stopReason() != null) break
            observer.begins(bundle, round + 1)
            // What happened during the pause disturbs no sample.
            device.interruptions()
            val start = device.nanoTime()
            load().use { classifier ->
                val loadNs = elapsed(start)
                val measured = round(classifier, input)
                if (coldStart == null) coldStart = measured.warmUpNs.firstOrNull()?.let { ColdStart(loadNs, it) }
                if (measured.samplesNs.isNotEmpty()) series += measured
            }
        }
        if (series.isEmpty()) throw BundleException(observer.stopReason() ?: "there is no sample")
        return Result(checkNotNull(coldStart), series)
    }

    private fun round(classifier: Classifier, input: ByteBuffer): Series {
        val started = device.utc()
        val before = device.state()
        val warmUp = times(plan.warmUp, classifier, input) {}
        val switches = device.involuntarySwitches()
        val samples = times(plan.runs, classifier, input, observer::sampled)
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
            flags = doubts(before, after) + device.interruptions().map { Flag(Flag.Kind.INTERRUPTED, it) },
        )
    }

    /** [count] calls, fewer if it is stopped. */
    private fun times(count: Int, classifier: Classifier, input: ByteBuffer, heard: (Long) -> Unit): List<Long> {
        val times = ArrayList<Long>(count)
        while (times.size < count && observer.stopReason() == null) times += time(classifier, input).also(heard)
        return times
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
