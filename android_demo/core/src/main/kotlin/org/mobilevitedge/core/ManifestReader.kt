package org.mobilevitedge.core

import kotlin.io.encoding.Base64
import kotlin.math.abs

/** Reads `manifest.json`. */
object ManifestReader {
    private const val SCHEMA_VERSION = 2
    private const val FIRST_VERSION = 1
    internal const val LARGEST_SIDE = 2048
    private const val MOST_IMAGES = 65_536
    private const val MOST_CLASSES = 1_000_000
    private const val MOST_FILES = 1000
    private const val LONGEST_PATH = 240
    private const val LONGEST_NAME = 200
    private const val MOST_CONTEXTS = 100
    private const val LARGEST_COVER = 4
    private const val LARGEST_TOLERANCE = 1e6
    private const val MOST_ELEMENTS = 1L shl 28
    private const val SCALE_TOLERANCE = 1e-6
    private const val MOST_EXPECTED = 64
    private const val LARGEST_GOLDEN = 256
    private const val FIRST_CHANNELS = 3

    /** Numbers of an answer, 32 MB of them: an app has little more memory than a few such. */
    private const val MOST_NUMBERS = 1 shl 23

    /** Classes of a head: what is made of it takes a row of each. */
    private const val MOST_HEAD_CLASSES = 1_000
    private val MEANS = -255.0..255.0
    private val STDS = 1 / 1024.0..1024.0
    internal val PATH = Regex("[A-Za-z0-9_][A-Za-z0-9_.-]*(/[A-Za-z0-9_][A-Za-z0-9_.-]*)*")
    private val SOC = Regex("[a-z0-9]{1,40}")
    private val SHA256 = Regex("[0-9a-f]{64}")

    /** @throws BundleException if the text is no manifest of version 1 or 2, or contradicts itself. */
    fun read(text: String): Manifest {
        if (text.length > Manifest.MAX_BYTES) throw BundleException("manifest: too large")
        val root = JsonReader.parse(text)
        val version = root.int("schema_version", 0..Int.MAX_VALUE)
        if (version !in FIRST_VERSION..SCHEMA_VERSION) {
            throw BundleException(
                "manifest: version $version, this app reads $SCHEMA_VERSION: export the bundle again, or update the app",
            )
        }
        // Version 1 knew neither tasks nor normalization.
        val first = version == FIRST_VERSION
        val task = if (first) "classification" else root.oneOf("task", "classification", "multilabel", "embedding", "segmentation", "detection")
        val model = model(root.child("model"))
        val head = if (first) null else HeadReader.read(root, task, model)
        val output = output(root.child("output"), model, task, head)
        val manifest = Manifest(
            model = model,
            target = root.oneOf("target", "coreml", "onnx", "executorch", "litert"),
            precision = root.text("precision"),
            input = input(root.child("input"), model, first),
            output = output,
            head = head,
            labelCount = root.child("labels").int("count", 1..MOST_CLASSES),
            golden = golden(root.child("golden"), output),
            files = root.children("files", MOST_FILES).map(::file),
            contexts = if (root.has("contexts")) contexts(root.children("contexts", MOST_CONTEXTS)) else emptyMap(),
        )
        check(manifest)
        return manifest
    }

    private fun model(json: JsonReader): Manifest.Model {
        val (height, width) = size(json, "image_size")
        return Manifest.Model(json.text("name"), json.int("outputs", 1..MOST_CLASSES), height, width)
    }

    private fun input(json: JsonReader, model: Manifest.Model, first: Boolean): Manifest.Input {
        val bytes = json.oneOf("dtype", "float32", "uint8") == "uint8"
        val last = json.oneOf("layout", "NCHW", "NHWC") == "NHWC"
        val order = ChannelOrder.valueOf(json.oneOf("channel_order", *orders(first)))
        val channels = order.channels
        val shape = json.ints("shape", 4, 1..MOST_IMAGES)
        val expected = if (last) listOf(model.height, model.width, channels) else listOf(channels, model.height, model.width)
        // Where any size may come, images of the manifest's own size do.
        val sides = if (last) 0..1 else 1..2
        val open = expected.mapIndexed { axis, side -> if (axis in sides) null else side }
        // Bytes have channels last, and channels last are red first.
        if (shape.drop(1) !in listOf(expected, open) || (bytes && !last) || (last && order == ChannelOrder.BGR)) {
            throw BundleException("manifest: input/shape does not fit the image size: export the bundle again")
        }
        if (shape.fold(1L) { product, side -> product * (side ?: 1) } > MOST_ELEMENTS) {
            throw BundleException("manifest: input/shape is too large")
        }
        val mean = if (first) List(FIRST_CHANNELS) { 0.0 } else json.numbers("mean", channels, MEANS)
        val std = if (first) List(FIRST_CHANNELS) { 1.0 } else json.numbers("std", channels, STDS)
        // Bytes come as they are: what else happens to them is inside the model.
        if (bytes && (mean.any { it != 0.0 } || std.any { it != 1.0 })) {
            throw BundleException("manifest: input has bytes that are normalized: export the bundle again")
        }
        val scale = json.positive("scale")
        val defined = if (bytes) 1.0 else 1 / 255.0
        if (abs(scale - defined) > SCALE_TOLERANCE * defined) {
            throw BundleException("manifest: input/scale is not $defined: export the bundle again")
        }
        return Manifest.Input(
            name = json.text("name", 1..LONGEST_NAME),
            bytes = bytes,
            channelsLast = last,
            batch = shape[0] ?: 1,
            order = order,
            scale = scale,
            mean = mean,
            std = std,
            resize = resize(json.child("resize"), model),
        )
    }

    /** Version 1 knew colors only. */
    private fun orders(first: Boolean): Array<String> =
        ChannelOrder.entries.filter { !first || it.channels == FIRST_CHANNELS }.map { it.name }.toTypedArray()

    private fun resize(json: JsonReader, model: Manifest.Model): Manifest.Resize {
        val (height, width) = size(json, "cover", LARGEST_COVER * LARGEST_SIDE)
        if (height !in model.height..LARGEST_COVER * model.height || width !in model.width..LARGEST_COVER * model.width) {
            throw BundleException("manifest: input/resize/cover does not fit the image size: export the bundle again")
        }
        return Manifest.Resize(
            crop = json.oneOf("rule", "crop", "stretch") == "crop",
            interpolation = Interpolation.valueOf(json.oneOf("interpolation", "bilinear", "bicubic").uppercase()),
            coverHeight = height,
            coverWidth = width,
        )
    }

    private fun output(json: JsonReader, model: Manifest.Model, task: String, head: Head?): Manifest.Output {
        if (head == null && json.ints("shape", 2, 1..MOST_CLASSES)[1] != model.outputs) {
            throw BundleException("manifest: output/shape does not fit the model: export the bundle again")
        }
        val activation = json.oneOf("activation", "none", "softmax", "sigmoid")
        val scores = when {
            head != null -> Scores.OF_A_HEAD
            task == "embedding" -> Scores.FEATURES
            activation != "none" -> Scores.PROBABILITIES
            task == "multilabel" -> Scores.INDEPENDENT_LOGITS
            else -> Scores.LOGITS
        }
        return Manifest.Output(json.text("name", 1..LONGEST_NAME), numbers(model, head), (head as? Head.Masks)?.answer == MaskAnswer.LABELS, scores)
    }

    /** Of one image's answer. */
    private fun numbers(model: Manifest.Model, head: Head?): Int {
        if (head != null && model.outputs > MOST_HEAD_CLASSES) {
            throw BundleException("manifest: a head for ${model.outputs} classes, this app draws at most $MOST_HEAD_CLASSES")
        }
        val count = when (head) {
            null -> model.outputs.toLong()
            is Head.Masks -> head.height.toLong() * head.width * (if (head.answer == MaskAnswer.LABELS) 1 else model.outputs)
            is Head.Boxes -> head.rows.toLong() * (Boxes.VALUES + model.outputs)
        }
        if (count > MOST_NUMBERS) {
            throw BundleException("manifest: an answer of $count numbers needs more memory than an app has: export the model with --mask labels, or for smaller images")
        }
        return count.toInt()
    }

    private fun golden(json: JsonReader, output: Manifest.Output): Manifest.Golden {
        val rows = json.int("rows", 1..LARGEST_GOLDEN)
        val columns = json.int("columns", 1..LARGEST_GOLDEN)
        val pixels = decode(json.text("pixels_base64"))
        if (pixels.size != rows * columns * 3) {
            throw BundleException("manifest: golden/pixels_base64 is no image of $rows x $columns")
        }
        val expected = json.children("expected", MOST_EXPECTED).map {
            Manifest.Expected(it.int("index", 0 until output.count), it.text("label", 0..Labels.LONGEST), it.number("value"))
        }
        if (expected.isEmpty()) throw BundleException("manifest: golden/expected is empty")
        val tolerance = json.positive("tolerance")
        if (tolerance > LARGEST_TOLERANCE) throw BundleException("manifest: golden/tolerance allows everything")
        return Manifest.Golden(rows, columns, pixels, expected, tolerance)
    }

    private fun decode(text: String): ByteArray =
        try {
            Base64.decode(text)
        } catch (error: IllegalArgumentException) {
            throw BundleException("manifest: golden/pixels_base64 is no Base64", error)
        }

    private fun file(json: JsonReader): Manifest.BundleFile {
        val path = json.text("path", 1..LONGEST_PATH)
        if (!PATH.matches(path) || path == Manifest.FILE) {
            throw BundleException("manifest: a file's path leads out of the bundle: ${path.take(80)}")
        }
        val sha256 = json.text("sha256")
        if (!SHA256.matches(sha256)) throw BundleException("manifest: $path has no hash")
        return Manifest.BundleFile(path, json.int("bytes", 0..Int.MAX_VALUE).toLong(), sha256)
    }

    private fun contexts(all: List<JsonReader>): Map<String, String> = all.associate { json ->
        val soc = json.text("soc")
        if (!SOC.matches(soc)) throw BundleException("manifest: ${soc.take(80)} is no chip's name")
        Pair(soc, json.text("file", 1..LONGEST_PATH))
    }

    private fun size(json: JsonReader, key: String, largest: Int = LARGEST_SIDE): Pair<Int, Int> {
        val (height, width) = json.ints(key, 2, 1..largest)
        return Pair(
            height ?: throw BundleException("manifest: $key has no height"),
            width ?: throw BundleException("manifest: $key has no width"),
        )
    }

    private fun check(manifest: Manifest) {
        val paths = manifest.files.map { it.path }
        val models = paths.filter { it.startsWith(Manifest.MODEL_PREFIX) }
        val roots = models.map { it.substringBefore('/') }.toSet()
        if (paths.toSet().size != paths.size || Manifest.LABELS !in paths || roots.size != 1) {
            throw BundleException("manifest: it does not list labels and model once: export the bundle again")
        }
        if (!paths.containsAll(manifest.contexts.values)) {
            throw BundleException("manifest: contexts are not among the files: export the bundle again")
        }
        if (manifest.labelCount != manifest.model.outputs) {
            throw BundleException("manifest: ${manifest.labelCount} labels for ${manifest.model.outputs} outputs")
        }
        if (manifest.input.batch != 1) {
            throw BundleException("manifest: the model takes ${manifest.input.batch} images at once: export it with --batch 1")
        }
    }
}
