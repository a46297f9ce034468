package org.mobilevitedge.app

import android.content.Context
import android.util.Log
import java.io.File
import java.util.UUID
import org.mobilevitedge.core.BenchFiles
import org.mobilevitedge.core.BenchObserver
import org.mobilevitedge.core.BenchPlan
import org.mobilevitedge.core.BenchRunner
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.Classifier
import org.mobilevitedge.core.Interruptions
import org.mobilevitedge.core.ModelTitle
import org.mobilevitedge.core.ReportStore
import org.mobilevitedge.core.Run

/** What is asked of a measurement: [report] is the report's name; [onNpu]: bundles for ONNX run on the NPU. */
class MeasurementRequest(
    val bundles: List<String>,
    val plan: BenchPlan,
    val isPinned: Boolean,
    val report: String,
    val onNpu: Boolean = false,
)

/**
 * A measurement on a thread of its own. It belongs to the process, not to a screen: folding the phone
 * or a change of theme makes a new screen, and does not end it. What a screen shows of it is read.
 */
class Measurement private constructor(private val context: Context, private val request: MeasurementRequest) : BenchObserver {
    /** Where it is: a bundle's name and round. */
    class Place(val name: String, val round: Int, val rounds: Int)

    /** What disturbs it. */
    val interruptions = Interruptions()

    // Plans come from `adb` too, and are checked once the measurement begins.
    private val samples = LongArray(request.plan.runs.coerceIn(BenchPlan.RUNS))

    @Volatile
    private var sampleCount = 0

    @Volatile
    private var stop: String? = null

    @Volatile
    var place: Place? = null
        private set

    /** What is measured already; all of it at the end. */
    @Volatile
    var run: Run? = null
        private set

    @Volatile
    var report: File? = null
        private set

    /** Why there is no report. */
    @Volatile
    var problem: String? = null
        private set

    @Volatile
    var isRunning = true
        private set

    /** The samples of the round that is under way. */
    fun samples(): List<Long> = samples.take(sampleCount)

    /** End after the call that is under way; what was measured stays. */
    fun stop(reason: String) {
        if (stop == null) stop = reason
    }

    override fun begins(bundle: Bundle, round: Int) {
        sampleCount = 0
        place = Place(ModelTitle.of(bundle.manifest).name, round, request.plan.rounds)
    }

    override fun sampled(ns: Long) {
        samples[sampleCount] = ns
        sampleCount++
    }

    override fun measured(run: Run) {
        this.run = run
        try {
            reports.keep(request.report, run)
        } catch (error: BundleException) {
            // A full storage does not end a measurement: the figures are on the screen, and the end says why there is no report.
        }
    }

    override fun stopReason(): String? = stop

    private val reports = ReportStore(BenchFiles(context.filesDir).reports)

    private fun measure() {
        try {
            val measured = runner()
            run = measured
            report = reports.finish(request.report, measured)
            tell("DONE", "")
        } catch (error: BundleException) {
            fail(error.message.orEmpty())
        } catch (error: OutOfMemoryError) {
            fail(context.getString(R.string.no_memory))
        } finally {
            isRunning = false
        }
    }

    private fun fail(reason: String) {
        problem = reason
        tell("FAILED", reason)
    }

    private fun runner(): Run {
        request.plan.check()
        val models = Models(context)
        models.installAssets()
        val bundles = request.bundles.map(models::openOrInstall)
        val device = PhoneDevice(context, interruptions)
        // Several threads on one core would wait for each other.
        val core = if (request.isPinned && request.plan.threads == 1) device.bigCore()?.also(device::pin) else null
        val npu = if (request.onNpu) Runtimes.npu(context) ?: throw BundleException(context.getString(R.string.no_npu)) else null
        val load: (Bundle, Int) -> Classifier = { bundle, threads ->
            if (npu != null && bundle.manifest.target == "onnx") npu.load(bundle) else Runtimes.load(bundle, threads)
        }
        return BenchRunner(device.host(core), device, load).run(UUID.randomUUID().toString(), bundles, request.plan, this)
    }

    private fun tell(outcome: String, reason: String) = tell(outcome, request.report, reason)

    companion object {
        private const val TAG = "MobileViTBench"

        /** The one under way, or the last one. Of the main thread. */
        var current: Measurement? = null
            private set

        /** Begin, unless one is under way. */
        fun start(context: Context, request: MeasurementRequest) {
            if (current?.isRunning == true) {
                tell("FAILED", request.report, "another measurement is under way")
                return
            }
            val measurement = Measurement(context.applicationContext, request)
            current = measurement
            // A thread of its own each time: being pinned to a core stays with a thread.
            Thread(measurement::measure, "measurement").start()
        }

        /** For `mobilevit-bench device android`, which reads the log. Warnings, since some makers drop what is less. */
        private fun tell(outcome: String, report: String, reason: String) {
            Log.w(TAG, "MOBILEVIT-BENCH $outcome $report $reason".trim())
        }
    }
}
