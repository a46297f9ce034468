package org.mobilevitedge.app

import android.app.Activity
import android.content.Intent
import android.content.res.Configuration
import android.graphics.Bitmap
import android.net.Uri
import android.os.Bundle as State
import android.view.Menu
import android.view.MenuItem
import android.view.View
import android.widget.AdapterView
import android.widget.ArrayAdapter
import android.widget.Button
import android.widget.ImageView
import android.widget.LinearLayout
import android.widget.ScrollView
import android.widget.Spinner
import android.widget.TextView
import org.mobilevitedge.core.BundleException
import org.mobilevitedge.core.Newest
import org.mobilevitedge.core.Recognizer
import org.mobilevitedge.core.Shown

/** Classify: choose a model, then a photo or the camera; the way to the other screens. */
class MainActivity : Activity() {
    private lateinit var models: Models
    private lateinit var spinner: Spinner
    private lateinit var message: TextView
    private lateinit var image: ImageView
    private lateinit var overlayView: OverlayView
    private lateinit var picture: View
    private lateinit var answers: AnswerView
    private lateinit var result: LinearLayout
    private lateinit var useModel: List<Button>
    private val worker = Worker(this)
    private val newest = Newest()
    private var names = emptyList<String>()

    // Survives the end of the process, so that a photo picked meanwhile is classified.
    private var photo: Uri? = null

    override fun onCreate(state: State?) {
        super.onCreate(state)
        photo = state?.getString(PHOTO)?.let(Uri::parse)
        models = Models(this)
        spinner = Spinner(this).apply { contentDescription = getString(R.string.model) }
        message = label()
        image = ImageView(this).apply {
            adjustViewBounds = true
            contentDescription = getString(R.string.the_photo)
        }
        overlayView = OverlayView(this)
        picture = over(image, overlayView)
        answers = AnswerView(this, AnswerView.LEGEND)
        result = halves(picture, answers)
        useModel = listOf(
            button(R.string.photo) { pickPhoto() },
            button(R.string.camera) { startActivity(Intent(this, CameraActivity::class.java).putExtra(CameraActivity.MODEL, chosen())) },
        )
        showScreen(ScrollView(this).apply { addView(column(listOf(spinner) + useModel + listOf(message, result))) })
        spinner.onItemSelectedListener = object : AdapterView.OnItemSelectedListener {
            override fun onItemSelected(parent: AdapterView<*>?, view: View?, position: Int, id: Long) {
                getPreferences(MODE_PRIVATE).edit().putString(CameraActivity.MODEL, chosen()).apply()
                classify()
            }

            override fun onNothingSelected(parent: AdapterView<*>?) = Unit
        }
    }

    override fun onStart() {
        super.onStart()
        message.setText(R.string.working)
        worker.run {
            val problems = models.installAssets()
            val entries = models.entries().filter { it.bundle != null }
            worker.show { list(entries, problems) }
        }
    }

    override fun onSaveInstanceState(state: State) {
        super.onSaveInstanceState(state)
        photo?.let { state.putString(PHOTO, it.toString()) }
    }

    override fun onConfigurationChanged(configuration: Configuration) {
        super.onConfigurationChanged(configuration)
        result.removeAllViews()
        val parent = result.parent as LinearLayout
        parent.removeView(result)
        result = halves(picture, answers)
        parent.addView(result)
    }

    override fun onDestroy() {
        worker.close()
        super.onDestroy()
    }

    override fun onCreateOptionsMenu(menu: Menu): Boolean {
        for ((item, text) in listOf(Pair(MEASURE, R.string.measure), Pair(MODELS, R.string.models))) {
            menu.add(Menu.NONE, item, Menu.NONE, text).setShowAsAction(MenuItem.SHOW_AS_ACTION_IF_ROOM)
        }
        return true
    }

    override fun onOptionsItemSelected(item: MenuItem): Boolean {
        when (item.itemId) {
            MEASURE -> startActivity(Intent(this, BenchActivity::class.java))
            MODELS -> startActivity(Intent(this, ModelsActivity::class.java))
            else -> return super.onOptionsItemSelected(item)
        }
        return true
    }

    override fun onActivityResult(request: Int, result: Int, data: Intent?) {
        val uri = data?.data
        if (request != PICK_PHOTO || result != RESULT_OK || uri == null) return
        photo = uri
        classify()
    }

    private fun chosen(): String? = names.getOrNull(spinner.selectedItemPosition)

    /** Show the models that there are; the one that was chosen last is chosen, and what it says of the photo follows. */
    private fun list(entries: List<ModelEntry>, problems: List<String>) {
        val wanted = getPreferences(MODE_PRIVATE).getString(CameraActivity.MODEL, null)
        names = entries.map { it.name }
        spinner.adapter = ArrayAdapter(this, android.R.layout.simple_list_item_1, entries.map { "${it.title.name}\n${it.title.detail}" })
        if (wanted in names) spinner.setSelection(names.indexOf(wanted))
        for (button in useModel) button.isEnabled = names.isNotEmpty()
        message.text = if (names.isEmpty()) getString(R.string.no_model) else problems.joinToString("\n")
    }

    /** Ask the chosen model about the photo; nothing of an earlier model or photo stays. */
    private fun classify() {
        val question = newest.ask()
        show(Shown.NOTHING)
        val (uri, model) = Pair(photo ?: return, chosen() ?: return)
        message.setText(R.string.working)
        fun show(action: () -> Unit) = worker.show { if (newest.isCurrent(question)) action() }
        worker.run {
            try {
                val shown = PhotoReader(this).read(uri)
                show { show(shown) }
                val start = System.nanoTime()
                Recognizer.open(models.open(model)) { Runtimes.load(it, THREADS) }.use { recognizer ->
                    val answer = recognizer.recognize(PhotoReader.pixels(shown))
                    val all = System.nanoTime() - start
                    val found = recognizer.show(answer.finding, AnswerView.LEGEND)
                    show {
                        show(found)
                        message.text = getString(R.string.times, answer.inferenceNs / NS_PER_MS, all / NS_PER_MS)
                    }
                }
            } catch (error: BundleException) {
                show { message.text = error.message }
            } catch (error: OutOfMemoryError) {
                show { message.setText(R.string.too_large) }
            }
        }
    }

    private fun show(found: Shown) {
        answers.show(found.rows.take(if (found.overlay == null) AnswerView.LEAST else AnswerView.LEGEND))
        overlayView.show(found.overlay)
    }

    private fun show(photo: Bitmap) {
        // What a view can draw is bounded by its hardware canvas.
        val scale = minOf(1f, LARGEST_SHOWN / maxOf(photo.width, photo.height).toFloat())
        val (width, height) = Pair((photo.width * scale).toInt().coerceAtLeast(1), (photo.height * scale).toInt().coerceAtLeast(1))
        image.setImageBitmap(Bitmap.createScaledBitmap(photo, width, height, true))
    }

    /** With the system's photo picker, which shows photos alone and needs no permission; by name, since Android 13 has it. */
    private fun pickPhoto() {
        val picker = Intent("android.provider.action.PICK_IMAGES").setType("image/*")
        val files = Intent(Intent.ACTION_OPEN_DOCUMENT).addCategory(Intent.CATEGORY_OPENABLE).setType("image/*")
        if (!startFirst(PICK_PHOTO, picker, files)) message.setText(R.string.no_picker)
    }

    companion object {
        /** Of a single photo and of the camera; the measurement has its own. */
        const val THREADS = 2
        const val NS_PER_MS = 1e6
        private const val PHOTO = "photo"
        private const val PICK_PHOTO = 1
        private const val MEASURE = 1
        private const val MODELS = 2
        private const val LARGEST_SHOWN = 1024
    }
}
