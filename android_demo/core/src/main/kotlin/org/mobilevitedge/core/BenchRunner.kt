package org.mobilevitedge.core

/** What a report says of the app and the device that it ran on. */
data class BenchHost(val appVersion: String, val device: Run.Device, val core: Int?)

/** Measures bundles one after the other, and makes the report's run of them. */
class BenchRunner(
    private val host: BenchHost,
    private val device: BenchDevice,
    private val load: (Bundle, Int) -> Classifier,
) {
    /**
     * A row for every bundle; one that cannot be loaded, or fails its self-test, says so in its row.
     */
    fun run(id: String, bundles: List<Bundle>, plan: BenchPlan, observer: BenchObserver): Run {
        plan.check()
        val created = device.utc()
        val versions = sortedMapOf<String, String>()
        val rows = mutableListOf<LatencyRow>()
        fun soFar(): Run = Run(id, host.appVersion, created, host.device, versions.toMap(), affinity(), plan, flags(observer), rows.toList())
        for ((number, bundle) in bundles.withIndex()) {
            if (number > 0) device.sleep(plan.coolDownSeconds * 1000L)
            if (observer.stopReason() != null) break
            rows += measure(bundle, plan, versions, observer)
            observer.measured(soFar())
        }
        return soFar()
    }

    private fun affinity() = Run.Affinity(host.core?.let(::listOf), device.affinity())

    private fun flags(observer: BenchObserver): List<Flag> {
        val asked = host.core?.let(::listOf)
        val inEffect = device.affinity()
        val flags = mutableListOf<Flag>()
        if (asked != null && inEffect != asked) {
            flags += Flag(Flag.Kind.AFFINITY_NOT_IN_EFFECT, "asked for core ${host.core}, the system allows ${inEffect ?: "unknown"}")
        }
        observer.stopReason()?.let { flags += Flag(Flag.Kind.INTERRUPTED, it) }
        return flags
    }

    private fun measure(
        bundle: Bundle,
        plan: BenchPlan,
        versions: MutableMap<String, String>,
        observer: BenchObserver,
    ): LatencyRow {
        val manifest = bundle.manifest
        try {
            val input = Preprocessor(manifest.model, manifest.input).tensor(SelfTest.image(manifest))
            val result = LatencyMeasurement(device, plan, observer).run(bundle, input) { load(bundle, plan.threads) }
            // Afterwards, so that the first load is a first load; a model that answers wrongly has no latency.
            load(bundle, plan.threads).use { classifier ->
                val test = SelfTest.run(manifest, classifier)
                if (!test.passed) throw BundleException(test.reason)
                val (runtime, version) = Pair(classifier.runtime, classifier.version)
                versions[runtime] = version ?: "unknown"
                return LatencyRow(bundle, runtime, version, plan.threads, null, result.coldStart, result.series, classifier.unit)
            }
        } catch (error: BundleException) {
            return LatencyRow(bundle, manifest.target, null, plan.threads, error.message ?: "unknown", null, emptyList())
        }
    }
}
