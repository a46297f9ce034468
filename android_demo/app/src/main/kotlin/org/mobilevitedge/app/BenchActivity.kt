package org.mobilevitedge.app

import android.app.Activity
import android.content.Intent
import android.os.Bundle as State
import android.os.Handler
import android.os.Looper
import android.text.InputType
import android.view.View
import android.view.WindowManager
import android.widget.Button
import android.widget.CheckBox
import android.widget.EditText
import android.widget.LinearLayout
import android.widget.ScrollView
import android.widget.TextView
import java.io.File
import java.util.Locale
import org.mobilevitedge.core.BenchFiles
import org.mobilevitedge.core.BenchLine
import org.mobilevitedge.core.BenchPlan
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.ReportStore

/**
 * Measures latency, by touch or from `adb`:
 *
 *     adb shell am start -n org.mobilevitedge.app/.BenchActivity --es bundles a,b --es report NAME
 *         --ei threads 1 --ei warm_up 10 --ei runs 100 --ei rounds 3 --ei cool_down 10 --ez pin true --ez npu false
 *
 * The log then says `MOBILEVIT-BENCH DONE NAME`, and the report is `reports/NAME.json` of
 * [BenchProvider]; or it says `MOBILEVIT-BENCH FAILED NAME` and why.
 */
class BenchActivity : Activity() {
    private lateinit var bundles: LinearLayout
    private lateinit var fields: Map<String, EditText>
    private lateinit var pin: CheckBox
    private lateinit var npu: CheckBox
    private lateinit var startButton: Button
    private lateinit var stopButton: Button
    private lateinit var shareButton: Button
    private lateinit var message: TextView
    private lateinit var sparkline: SparklineView
    private lateinit var table: LinearLayout
    private val worker = Worker(this)
    private val handler = Handler(Looper.getMainLooper())
    private val poll = Runnable { show() }
    private var recovered: File? = null
    private var shownRows = -1

    override fun onCreate(state: State?) {
        super.onCreate(state)
        bundles = column(emptyList()).apply { setPadding(0, 0, 0, 0) }
        val usual = BenchPlan()
        fields = linkedMapOf(
            field(THREADS, R.string.threads, usual.threads),
            field(WARM_UP, R.string.warm_up, usual.warmUp),
            field(RUNS, R.string.runs, usual.runs),
            field(ROUNDS, R.string.rounds, usual.rounds),
            field(COOL_DOWN, R.string.cool_down, usual.coolDownSeconds),
        )
        pin = CheckBox(this).apply {
            setText(R.string.pin)
            isChecked = true
        }
        npu = CheckBox(this).apply {
            setText(R.string.npu)
            visibility = if (Runtimes.npu(this@BenchActivity) == null) View.GONE else View.VISIBLE
        }
        startButton = button(R.string.start) { byTouch() }
        stopButton = button(R.string.stop) { Measurement.current?.stop(getString(R.string.stopped_by_user)) }
        shareButton = button(R.string.share) { report()?.let { startActivity(ReportProvider.share(it)) } }
        message = label()
        sparkline = SparklineView(this)
        table = column(emptyList()).apply { setPadding(0, 0, 0, 0) }
        val labelled = fields.values.map { field ->
            LinearLayout(this).apply {
                addView(label().apply { text = field.hint }, LinearLayout.LayoutParams(0, LinearLayout.LayoutParams.WRAP_CONTENT, 1f))
                addView(field, LinearLayout.LayoutParams(0, LinearLayout.LayoutParams.WRAP_CONTENT, 1f))
            }
        }
        val views: List<View> = listOf(bundles) + labelled + listOf(pin, npu, startButton, stopButton, message, sparkline, table, shareButton)
        showScreen(ScrollView(this).apply { addView(column(views)) })
        // A recreated activity has been started before.
        if (state == null) byAdb(intent)
        if (Measurement.current == null) {
            recovered = ReportStore(BenchFiles(filesDir).reports).recover().firstOrNull()
            if (recovered != null) message.setText(R.string.recovered)
        }
        list()
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        byAdb(intent)
        show()
    }

    override fun onStart() {
        super.onStart()
        Measurement.current?.interruptions?.end(BACKGROUND)
        show()
    }

    override fun onStop() {
        handler.removeCallbacks(poll)
        // A new screen is on its way if this one is turned, folded or changes its theme.
        if (!isChangingConfigurations && !isFinishing) Measurement.current?.interruptions?.begin(BACKGROUND)
        super.onStop()
    }

    override fun onTrimMemory(level: Int) {
        super.onTrimMemory(level)
        if (level == TRIM_MEMORY_RUNNING_CRITICAL) Measurement.current?.interruptions?.once("the phone was short of memory")
    }

    override fun onDestroy() {
        if (isFinishing) Measurement.current?.stop(getString(R.string.screen_left))
        worker.close()
        super.onDestroy()
    }

    /** Models to choose from, under the names that people read. */
    private fun list() = worker.run {
        val entries = Models(this).entries().filter { it.bundle != null }
        worker.show {
            bundles.removeAllViews()
            for (entry in entries) {
                bundles.addView(
                    CheckBox(this).apply {
                        text = String.format(Locale.ROOT, "%s\n%s", entry.title.name, entry.title.detail)
                        tag = entry.name
                    },
                )
            }
        }
    }

    private fun byTouch() {
        val names = (0 until bundles.childCount).map { bundles.getChildAt(it) as CheckBox }.filter { it.isChecked }.map { it.tag as String }
        if (names.isEmpty()) return message.setText(R.string.choose)
        try {
            val plan = plan { name -> number(fields.getValue(name)) }
            plan.check()
            begin(MeasurementRequest(names, plan, pin.isChecked, "latency-${System.currentTimeMillis()}", npu.isChecked))
        } catch (error: BundleException) {
            message.text = error.message
        }
    }

    private fun byAdb(intent: Intent) {
        val names = intent.getStringExtra(BUNDLES)?.split(',') ?: return
        val name = intent.getStringExtra(REPORT).orEmpty()
        if (!ReportStore.NAME.matches(name)) return message.setText(R.string.no_report_name)
        val usual = BenchPlan()
        val defaults = mapOf(THREADS to usual.threads, WARM_UP to usual.warmUp, RUNS to usual.runs, ROUNDS to usual.rounds, COOL_DOWN to usual.coolDownSeconds)
        val plan = plan { intent.getIntExtra(it, defaults.getValue(it)) }
        begin(MeasurementRequest(names, plan, intent.getBooleanExtra(PIN, true), name, intent.getBooleanExtra(NPU, false)))
    }

    private fun begin(request: MeasurementRequest) {
        recovered = null
        shownRows = -1
        message.setText(R.string.working)
        Measurement.start(this, request)
        show()
    }

    private fun plan(value: (String) -> Int) = BenchPlan(
        warmUp = value(WARM_UP),
        runs = value(RUNS),
        rounds = value(ROUNDS),
        coolDownSeconds = value(COOL_DOWN),
        threads = value(THREADS),
    )

    private fun report(): File? = recovered ?: Measurement.current?.takeIf { !it.isRunning }?.report

    /** What the measurement under way, or the last one, has come to; twice a second while there is one. */
    private fun show() {
        handler.removeCallbacks(poll)
        val measurement = Measurement.current
        val isRunning = measurement?.isRunning == true
        startButton.isEnabled = !isRunning
        stopButton.isEnabled = isRunning
        shareButton.isEnabled = report() != null
        sparkline.visibility = if (isRunning) View.VISIBLE else View.GONE
        // The screen stays on as long as it is needed.
        if (isRunning) window.addFlags(KEEP_ON) else window.clearFlags(KEEP_ON)
        if (measurement == null) return
        if (isRunning) {
            measurement.place?.let { message.text = getString(R.string.round_of, it.name, it.round, it.rounds) }
            sparkline.show(measurement.samples())
            handler.postDelayed(poll, POLL_MS)
        } else {
            message.text = measurement.problem.orEmpty()
        }
        val run = measurement.run
        val rows = run?.rows.orEmpty()
        if (rows.size == shownRows && isRunning) return
        shownRows = rows.size
        table.removeAllViews()
        for (row in rows) table.addView(line(BenchLine.of(row)))
        for (flag in run?.flags.orEmpty()) table.addView(label(14f, R.color.warning).apply { text = BenchLine.words(flag) })
    }

    private fun line(line: BenchLine): View {
        val median = label(20f).apply { text = line.medianMs?.let { getString(R.string.median, it) } ?: getString(R.string.not_measured) }
        val (low, high) = Pair(line.lowMs, line.highMs)
        val range = label(14f, R.color.faint).apply { text = if (low != null && high != null) getString(R.string.range, low, high) else "" }
        val title = label(16f).apply { text = line.title.name }
        val detail = label(14f, R.color.faint).apply { text = line.title.detail }
        val samples = SparklineView(this).apply { show(line.samplesNs) }
        val notes = line.notes.map { note -> label(14f, R.color.warning).apply { text = note } }
        val figures = column(listOf(median, range) + if (line.samplesNs.isEmpty()) emptyList() else listOf(samples))
        return column(listOf(halves(column(listOf(title, detail)), figures)) + notes)
    }

    private fun field(name: String, label: Int, value: Int): Pair<String, EditText> {
        val field = EditText(this).apply {
            inputType = InputType.TYPE_CLASS_NUMBER
            setHint(label)
            setText(String.format(Locale.ROOT, "%d", value))
        }
        return Pair(name, field)
    }

    private fun number(field: EditText): Int =
        field.text.toString().toIntOrNull() ?: throw BundleException(getString(R.string.no_number, field.hint))

    private companion object {
        const val BUNDLES = "bundles"
        const val REPORT = "report"
        const val THREADS = "threads"
        const val WARM_UP = "warm_up"
        const val RUNS = "runs"
        const val ROUNDS = "rounds"
        const val COOL_DOWN = "cool_down"
        const val PIN = "pin"
        const val NPU = "npu"
        const val POLL_MS = 500L
        const val KEEP_ON = WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON

        /** What a report says of it. */
        const val BACKGROUND = "the app was in the background"
    }
}
