package org.mobilevitedge.core

import org.json.JSONArray
import org.json.JSONObject

/** `latency_report.v1.json` of one run. */
object ReportWriter {
    fun write(run: Run): String =
        JSONObject().put("schema_version", 1).put("runs", JSONArray().put(runJson(run))).toString()

    private fun runJson(run: Run) = JSONObject()
        .put("id", name(run.id))
        .put("tool", versioned("mobilevit-edge android", run.appVersion))
        .put("created", run.created)
        .put(
            "device",
            JSONObject()
                .put("kind", if (run.device.emulator) "emulator" else "phone")
                .put("name", name(run.device.name))
                .put("processor", name(run.device.processor))
                .put("cores", run.device.cores)
                .put("memory_bytes", orNull(run.device.memoryBytes)),
        )
        .put("system", versioned("Android", run.device.system))
        .put("versions", JSONObject(run.versions.entries.associate { (key, value) -> Pair(name(key), name(value)) }))
        .put("affinity", JSONObject().put("asked", list(run.affinity.asked)).put("in_effect", list(run.affinity.inEffect)))
        .put(
            "protocol",
            JSONObject()
                // Rounds with a fresh model stand for processes: an app is one.
                .put("processes", run.plan.rounds)
                .put("seconds", JSONObject.NULL)
                .put("warm_up", run.plan.warmUp)
                .put("seed", JSONObject.NULL)
                .put("max_noise", JSONObject.NULL)
                .put("digest", JSONObject.NULL),
        )
        .put("calm", JSONObject.NULL)
        .put("flags", JSONArray(run.flags.map(::flag)))
        .put("rows", JSONArray(run.rows.mapIndexed(::row)))

    private fun row(number: Int, row: LatencyRow): JSONObject {
        val manifest = row.bundle.manifest
        return JSONObject()
            .put("id", name("$number ${row.bundle.folder.name}"))
            .put("experiment", "bundles")
            .put("measure", "latency")
            .put("subject", subject(manifest))
            .put("runtime", JSONObject().put("name", name(row.runtime)).put("version", orNull(row.runtimeVersion?.let(::name))))
            .put("compute_unit", row.unit)
            .put("threads", row.threads)
            .put("limit_row", JSONObject.NULL)
            .put("not_run", orNull(row.notRun?.let(::name)))
            .put("cold_starts", JSONArray(listOfNotNull(row.coldStart).map(::coldStart)))
            .put("series", JSONArray(row.series.mapIndexed { round, series -> series(round, row.threads, series) }))
            .put("profile", JSONObject.NULL)
    }

    private fun subject(manifest: Manifest) = JSONObject()
        .put("model", name(manifest.model.name))
        .put("part", JSONObject.NULL)
        .put("target", manifest.target)
        .put("precision", name(manifest.precision))
        .put("image_size", list(listOf(manifest.model.height, manifest.model.width)))
        .put("batch", manifest.input.batch)
        .put("attributes", JSONObject())
        .put("parameters", JSONObject.NULL)
        .put("macs", JSONObject.NULL)
        .put(
            "artifact",
            JSONObject()
                .put("name", name(manifest.modelFile.path))
                .put("bytes", manifest.modelFile.bytes)
                .put("sha256", manifest.modelFile.sha256),
        )
        .put("top1", JSONObject.NULL)

    private fun coldStart(start: ColdStart) = JSONObject()
        .put("process", 0)
        .put("load_ns", start.loadNs)
        .put("first_inference_ns", start.firstInferenceNs)
        .put("memory_before_bytes", JSONObject.NULL)
        .put("peak_memory_bytes", JSONObject.NULL)

    private fun series(round: Int, threads: Int, series: Series) = JSONObject()
        .put("process", round)
        .put("group", JSONObject.NULL)
        .put("position", 0)
        .put("started", series.started)
        .put("warm_up_ns", JSONArray(series.warmUpNs))
        .put("samples_ns", JSONArray(series.samplesNs))
        .put("threads", threads)
        .put("affinity", list(series.affinity))
        .put("involuntary_switches", orNull(series.involuntarySwitches))
        .put("before", state(series.before))
        .put("after", state(series.after))
        .put("flags", JSONArray(series.flags.map(::flag)))

    private fun state(state: DeviceState) = JSONObject()
        .put("clock_mhz", orNull(state.clockMhz))
        .put("thermal", orNull(state.thermal?.name?.lowercase()))
        .put("battery_percent", orNull(state.batteryPercent))
        .put("charging", orNull(state.charging))
        .put("low_power", orNull(state.lowPower))

    private fun flag(flag: Flag) = JSONObject().put("kind", flag.kind.name.lowercase()).put("reason", name(flag.reason))

    private fun versioned(what: String, version: String) = JSONObject().put("name", what).put("version", name(version))

    private fun list(values: List<Int>?): Any = if (values == null) JSONObject.NULL else JSONArray(values)

    private fun orNull(value: Any?): Any = value ?: JSONObject.NULL

    /** A text that any reader may print: no control characters, of the length that the schema allows. */
    private fun name(text: String): String =
        text.map { if (it.isISOControl()) ' ' else it }.joinToString("").take(MAX_NAME).ifBlank { "unknown" }

    private const val MAX_NAME = 200
}
