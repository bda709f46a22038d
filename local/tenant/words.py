"""Names, departments and the small talk of an ordinary working day."""

_FIRST_NAMES = """
    Ada Amir Anika Aoife Bela Benedikt Bianca Caleb Carmen Chidi Clara Dafydd Dara Diego Dilara Edith Elif Emre
    Esther Farah Felix Fiona Gabriel Giulia Hana Hannes Ibrahim Ines Ingrid Isak Jamal Jana Joao Judit Kaja Karim
    Katya Kofi Lara Leandro Leila Ludwig Mads Malin Marek Mei Milan Mira Nadia Nikos Nora Olek Paloma Pavel Petra
    Quentin Rania Rasmus Renata Ruben Sanna Selma Silas Simone Soren Tamar Tariq Teresa Theo Tuva Uma Valeria Viktor
    Wanda Xenia Yara Yusuf Zofia"""
_SURNAMES = """
    Abbasi Adeyemi Albrecht Almeida Andersen Aydin Bakker Barros Becker Bergmann Bianchi Bjork Bouchard Brandt
    Castro Chen Costa Dahl Demir Dietrich Dlamini Dubois Eklund Eriksen Esposito Farkas Fernandes Fischer Fontaine
    Garcia Gruber Haddad Hansen Hartmann Hoffmann Horvath Ibarra Ivanova Jansen Jensen Kaminski Kaya Keller Khan
    Kowalski Kruger Larsen Lehmann Lindholm Lopez Maier Marino Martins Mbeki Mensah Moreau Moretti Nagy Nakamura
    Navarro Nielsen Novak Okafor Olsen Ortega Park Petrov Pinto Popescu Quist Ramos Richter Romano Rossi Sato
    Schmid Schneider Silva Sorensen Suzuki Svensson Szabo Tanaka Toth Tran Urban Vasquez Vidal Virtanen Vogel Wagner
    Weber Winkler Wolff Yilmaz Zeman Ziegler"""
FIRST_NAMES = tuple(_FIRST_NAMES.split())
SURNAMES = tuple(_SURNAMES.split())
JOBS: dict[str, tuple[str, ...]] = {
    "Finance": ("Accountant", "Controller", "Payables Clerk", "Treasury Analyst"),
    "Human Resources": ("Recruiter", "Payroll Specialist", "People Partner"),
    "Information Technology": ("Systems Engineer", "Service Desk Agent", "Security Analyst", "Developer"),
    "Legal": ("Counsel", "Paralegal"),
    "Logistics": ("Dispatcher", "Warehouse Lead", "Planner"),
    "Manufacturing": ("Line Supervisor", "Process Engineer", "Technician"),
    "Marketing": ("Copywriter", "Brand Manager", "Event Planner"),
    "Procurement": ("Buyer", "Category Manager", "Supplier Manager"),
    "Research": ("Scientist", "Laboratory Technician", "Programme Manager"),
    "Sales": ("Account Manager", "Sales Engineer", "Regional Lead"),
}
OFFICES = ("Aarhus", "Bern", "Leuven", "Porto", "Tampere")

SUBJECTS = (
    "Agenda for Thursday",
    "Lunch?",
    "Minutes of the steering group",
    "Q4 forecast, second draft",
    "Re: parking permits",
    "Your order has shipped",
    "Reminder: fire drill at 11:00",
    "Invoice 20398 (paid)",
    "Travel request approved",
    "Slides from yesterday",
    "Handover notes",
    "New starter on Monday",
    "Weekly digest",
    "Question about the supplier contract",
    "Printer on floor 3",
    "Holiday calendar",
)
CATEGORIES = ("Blue category", "Green category", "Follow up", "Project Atlas", "Red category", "Supplier")
FOLDERS = ("Archive", "Inbox/Projects", "Inbox/Newsletters", "Inbox/Suppliers")
"""Where ordinary mail is filed, besides the folders that every mailbox has."""
OUTSIDERS = (
    ("news@fabrikam.example", "Fabrikam News"),
    ("orders@adatum.example", "Adatum Orders"),
    ("travel@relecloud.example", "Relecloud Travel"),
    ("hello@tailspin.example", "Tailspin Toys"),
    ("accounts@litware.example", "Litware Accounts"),
)
