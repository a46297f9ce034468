package org.mobilevitedge.app

import android.app.Activity
import android.content.Intent
import android.os.Bundle as State
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
import java.util.UUID
import org.mobilevitedge.core.BenchPlan
import org.mobilevitedge.core.BenchRunner
import org.mobilevitedge.core.Bundle
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.LatencyRow
import org.mobilevitedge.core.ReportWriter
import org.mobilevitedge.core.Run

/**
 * Measures latency, by touch or from `adb`:
 *
 *     adb shell am start -n org.mobilevitedge.app/.BenchActivity --es bundles a,b --es report NAME
 *         --ei threads 1 --ei warm_up 10 --ei runs 100 --ei rounds 3 --ei cool_down 10 --ez pin true
 *
 * The report is then `reports/NAME.json` in the app's folder of the shared storage, or
 * `reports/NAME.error.txt` says why there is none.
 */
class BenchActivity : Activity() {
    private lateinit var models: Models
    private lateinit var bundles: List<CheckBox>
    private lateinit var fields: Map<String, EditText>
    private lateinit var pin: CheckBox
    private lateinit var startButton: Button
    private lateinit var stopButton: Button
    private lateinit var shareButton: Button
    private lateinit var log: TextView
    private var busy = false
    private var report: File? = null

    @Volatile
    private var stopped = false

    override fun onCreate(state: State?) {
        super.onCreate(state)
        window.addFlags(WindowManager.LayoutParams.FLAG_KEEP_SCREEN_ON)
        models = Models(this)
        bundles = models.names().map { name -> CheckBox(this).apply { text = name } }
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
        startButton = button(R.string.start) { byTouch() }
        stopButton = button(R.string.stop) { stopped = true }
        shareButton = button(R.string.share) { report?.let { startActivity(Reports.share(it)) } }
        log = TextView(this)
        val labelled = fields.values.map { field ->
            LinearLayout(this).apply {
                addView(TextView(context).apply { text = field.hint }, LinearLayout.LayoutParams(0, LinearLayout.LayoutParams.WRAP_CONTENT, 1f))
                addView(field, LinearLayout.LayoutParams(0, LinearLayout.LayoutParams.WRAP_CONTENT, 1f))
            }
        }
        val views: List<View> = bundles + labelled + listOf(pin, startButton, stopButton, shareButton, log)
        showScreen(ScrollView(this).apply { addView(column(views)) })
        running(false)
        // A recreated activity has been started before.
        if (state == null) byAdb(intent)
    }

    override fun onNewIntent(intent: Intent) {
        super.onNewIntent(intent)
        byAdb(intent)
    }

    override fun onDestroy() {
        stopped = true
        super.onDestroy()
    }

    private fun byTouch() {
        val names = bundles.filter { it.isChecked }.map { it.text.toString() }
        if (names.isEmpty()) return log.setText(R.string.choose)
        try {
            measure(names, plan { name -> number(fields.getValue(name)) }, pin.isChecked, "latency-${System.currentTimeMillis()}")
        } catch (error: BundleException) {
            log.text = error.message
        }
    }

    private fun byAdb(intent: Intent) {
        val names = intent.getStringExtra(BUNDLES)?.split(',') ?: return
        val name = intent.getStringExtra(REPORT).orEmpty()
        if (!Reports.NAME.matches(name)) return log.setText(R.string.no_report_name)
        val usual = BenchPlan()
        val defaults = mapOf(THREADS to usual.threads, WARM_UP to usual.warmUp, RUNS to usual.runs, ROUNDS to usual.rounds, COOL_DOWN to usual.coolDownSeconds)
        measure(names, plan { intent.getIntExtra(it, defaults.getValue(it)) }, intent.getBooleanExtra(PIN, true), name)
    }

    private fun plan(value: (String) -> Int) = BenchPlan(
        warmUp = value(WARM_UP),
        runs = value(RUNS),
        rounds = value(ROUNDS),
        coolDownSeconds = value(COOL_DOWN),
        threads = value(THREADS),
    )

    private fun measure(names: List<String>, plan: BenchPlan, pinned: Boolean, name: String) {
        val reports = Reports(this)
        if (busy) {
            reports.writeFailure(name, "another measurement is under way")
            return
        }
        stopped = false
        running(true)
        log.setText(R.string.working)
        // A thread of its own each time: being pinned to a core stays with a thread.
        val worker = Worker(this)
        worker.run {
            try {
                val run = run(names, plan, pinned)
                val file = reports.write(name, ReportWriter.write(run))
                worker.show {
                    report = file
                    log.text = (run.rows.map(::line) + getString(R.string.report_at, file.path)).joinToString("\n")
                }
            } catch (error: BundleException) {
                worker.show { log.text = error.message }
                try {
                    reports.writeFailure(name, error.message.orEmpty())
                } catch (full: BundleException) {
                    worker.show { log.text = full.message }
                }
            } finally {
                worker.show { running(false) }
            }
        }
        worker.close()
    }

    private fun run(names: List<String>, plan: BenchPlan, pinned: Boolean): Run {
        plan.check()
        models.installAssets()
        val chosen = names.map { if (models.isIncoming(it)) models.installIncoming(it) else openOwn(it) }
        val device = PhoneDevice(this)
        // Several threads on one core would wait for each other.
        val core = if (pinned && plan.threads == 1) device.bigCore()?.also(device::pin) else null
        return BenchRunner(device.host(core), device, Models::load).run(UUID.randomUUID().toString(), chosen, plan) { bundle, round ->
            runOnUiThread { log.text = getString(R.string.round_done, bundle.folder.name, round, plan.rounds) }
            !stopped
        }
    }

    private fun openOwn(name: String): Bundle {
        if (name !in models.names()) throw BundleException("the app has no bundle called ${name.take(MAX_SHOWN)}")
        return models.open(name)
    }

    private fun line(row: LatencyRow): String {
        val name = row.bundle.folder.name
        row.notRun?.let { return getString(R.string.row_not_run, name, it) }
        val samples = row.series.flatMap { it.samplesNs }.sorted()
        val flags = row.series.flatMap { it.flags }.map { it.reason }.distinct()
        val median = samples[samples.size / 2] / MainActivity.NS_PER_MS
        val heat = listOf(row.series.first().before, row.series.last().after).map { it.thermal?.name?.lowercase() ?: "?" }
        return (listOf(getString(R.string.row_latency, name, median, heat[0], heat[1])) + flags).joinToString("; ")
    }

    private fun running(yes: Boolean) {
        busy = yes
        startButton.isEnabled = !yes
        stopButton.isEnabled = yes
        shareButton.isEnabled = !yes && report != null
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
        const val MAX_SHOWN = 100
    }
}
