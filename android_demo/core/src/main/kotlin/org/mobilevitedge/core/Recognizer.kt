package org.mobilevitedge.core

import java.io.Closeable

/** What a model says of one image; [inferenceNs] is its own time. */
class Answer(val finding: Finding, val inferenceNs: Long)

/** A model that has passed its self-test on this device: there is none of one that has not. */
class Recognizer private constructor(private val bundle: Bundle, private val classifier: Classifier) : Closeable {
    private val manifest = bundle.manifest
    private val preprocessor = Preprocessor(manifest.model, manifest.input)
    private val dense = DenseAnswers(manifest, bundle.labels)

    /**
     * What the model says of an upright image of any size; a mask's longer side is at most [mostSide].
     *
     * @throws BundleException if the runtime fails, or answers with other than finite numbers.
     */
    fun recognize(image: Pixels, mostSide: Int = PHOTO_SIDE): Answer {
        val input = preprocessor.tensor(preprocessor.resize(image))
        val start = System.nanoTime()
        val outputs = classifier.run(input)
        val elapsed = System.nanoTime() - start
        if (outputs.size != manifest.output.count || outputs.any { !it.isFinite() }) {
            throw BundleException("the model's answer to this image is no list of ${manifest.output.count} finite numbers: export the bundle again")
        }
        val finding = when (val head = manifest.head) {
            null -> Finding.Classes(TopClasses.probabilities(outputs, manifest.output.scores))
            is Head.Masks -> Finding.Regions(dense.mask(head, outputs, image.width, image.height, mostSide))
            is Head.Boxes -> Finding.Objects(image.width, image.height, dense.boxes(head, outputs, image.width, image.height))
        }
        return Answer(finding, elapsed)
    }

    /** What a screen shows of a finding: at most [rows] lines, best first, and what lies over the image. */
    fun show(finding: Finding, rows: Int): Shown {
        val colors = manifest.head?.colors.orEmpty()
        fun legend(scores: List<ClassScore>) = scores.take(rows).map { LegendRow(it, colors.getOrNull(it.index)) }
        return when (finding) {
            is Finding.Classes -> Shown(legend(TopClasses.of(finding.probabilities, bundle.labels, rows)), null)
            is Finding.Regions -> finding.mask.let { Shown(legend(it.shares(bundle.labels)), Overlay(it.width, it.height, it.argb(colors), emptyList())) }
            is Finding.Objects -> {
                val drawn = finding.boxes.filter { it.probability >= Overlay.SURE }.take(Overlay.MOST)
                val surest = drawn.distinctBy { it.index }.map { ClassScore(it.index, it.label, it.probability) }
                Shown(legend(surest), Overlay(finding.width, finding.height, null, drawn.map { Overlay.Box(it, colors[it.index]) }))
            }
        }
    }

    override fun close() = classifier.close()

    companion object {
        /** Of a photo's mask, as in Python. */
        const val PHOTO_SIDE = 1024

        /** Of the mask of a camera's frame, which is made many times a second. */
        const val FRAME_SIDE = 256

        /**
         * Load a model and run its self-test.
         *
         * @throws BundleException if it cannot be loaded, or does not answer as when it was exported.
         */
        fun open(bundle: Bundle, load: (Bundle) -> Classifier): Recognizer {
            if (bundle.manifest.output.scores == Scores.FEATURES) {
                throw BundleException("the model gives features, and this app shows classes: it can only be measured")
            }
            val classifier = load(bundle)
            var passed = false
            try {
                val outcome = SelfTest.run(bundle.manifest, classifier)
                if (!outcome.passed) throw BundleException("${outcome.reason}; no predictions are shown")
                passed = true
                return Recognizer(bundle, classifier)
            } finally {
                if (!passed) classifier.close()
            }
        }
    }
}
