package org.mobilevitedge.core

/** A run for `latency_report.v1.json`, which is the definition; Python reads it. */
data class Run(
    val id: String,
    val appVersion: String,
    val created: String,
    val device: Device,
    val versions: Map<String, String>,
    val affinity: Affinity,
    val plan: BenchPlan,
    val flags: List<Flag>,
    val rows: List<LatencyRow>,
) {
    /** [system]: the Android release, such as `15`. */
    data class Device(
        val emulator: Boolean,
        val name: String,
        val processor: String,
        val cores: Int,
        val memoryBytes: Long?,
        val system: String,
    )

    /** Numbers of cores; null where the system does not tell. */
    data class Affinity(val asked: List<Int>?, val inEffect: List<Int>?)
}

/** A reason to doubt figures; the figures stay. */
data class Flag(val kind: Kind, val reason: String) {
    enum class Kind { THROTTLED, CLOCK_CHANGED, AFFINITY_NOT_IN_EFFECT, LOW_POWER, INTERRUPTED }
}

/** One bundle, measured: a [Series] a round, or why there is none ([notRun]). */
data class LatencyRow(
    val bundle: Bundle,
    val runtime: String,
    val runtimeVersion: String?,
    val threads: Int,
    val notRun: String?,
    val coldStart: ColdStart?,
    val series: List<Series>,
    val unit: String = Classifier.CPU,
)

/** The first load of the model and its first inference, in nanoseconds. */
data class ColdStart(val loadNs: Long, val firstInferenceNs: Long)

/** One round with a freshly loaded model; times in nanoseconds. */
data class Series(
    val started: String,
    val warmUpNs: List<Long>,
    val samplesNs: List<Long>,
    val affinity: List<Int>?,
    val involuntarySwitches: Long?,
    val before: DeviceState,
    val after: DeviceState,
    val flags: List<Flag>,
)

/** Null where the system does not tell. */
data class DeviceState(
    val clockMhz: Double?,
    val thermal: Thermal?,
    val batteryPercent: Double?,
    val charging: Boolean?,
    val lowPower: Boolean?,
)

/** Android's thermal status, from the coolest. */
enum class Thermal { NONE, LIGHT, MODERATE, SEVERE, CRITICAL, EMERGENCY, SHUTDOWN }
